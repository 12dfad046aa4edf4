#include "kernel/link/link.hpp"

#include "kernel/base/json.hpp"

#include <sigrun/cpp/text.hpp>

#include <boost/asio/post.hpp>

#include <utility>

namespace sigrun {

namespace {

std::uint64_t size_of(const sigrun_frame& f) noexcept { return f.json.len + (f.payload ? f.payload->length : 0); }

}  // namespace

link::link(plugin_host& host, std::shared_ptr<instance> protocol, std::weak_ptr<link_handler> handler)
    : host_(host), protocol_(std::move(protocol)), handler_(std::move(handler)) {
    const auto* table = protocol_->table<sigrun_protocol>(SIGRUN_KIND_PROTOCOL);
    ops_ = table->link;
    name_ = sdk::view(table->name);
    traffic_ = &host_.traffic().of(name_);
    foreign_ = (table->flags & SIGRUN_PROTOCOL_FOREIGN) != 0;
    sink_ = {sizeof(sigrun_sink), 0, this, &link::frame_in};
}

link::~link() = default;

link_ptr link::wrap(plugin_host& host, std::shared_ptr<instance> protocol, sigrun_link* raw,
                    std::weak_ptr<link_handler> handler) {
    auto made = std::make_shared<link>(host, std::move(protocol), std::move(handler));
    made->raw_ = raw;
    made->opened();
    return made;
}

void link::opened() {
    self_ = shared_from_this();
    open_.store(true, std::memory_order_release);
}

std::shared_ptr<link_handler> link::handler() const {
    std::lock_guard lock(handler_mutex_);
    return handler_.lock();
}

void link::set_handler(std::weak_ptr<link_handler> handler) {
    std::lock_guard lock(handler_mutex_);
    handler_ = std::move(handler);
}

sigrun_result link::frame_in(void* ctx, const sigrun_frame* frame) noexcept {
    auto& me = *static_cast<link*>(ctx);
    me.traffic_->in.add(size_of(*frame));
    try {
        if (frame->kind == SIGRUN_BYE && (frame->flags & SIGRUN_FRAME_LAST)) {
            auto bye = parse_object(sdk::view(frame->json));
            me.lost(std::string(bye ? text_or(*bye, "reason") : sdk::view(frame->json)));
            return SIGRUN_OK;
        }
        auto handler = me.handler();
        if (!handler) return SIGRUN_E_CANCELLED;
        return handler->on_frame(me.shared_from_this(), *frame);
    } catch (const std::exception&) {
        return SIGRUN_E_INTERNAL;
    }
}

void link::lost(const std::string& reason) {
    auto keep = shared_from_this();
    bool was_open = open_.exchange(false, std::memory_order_acq_rel);
    if (was_open && !owner_closed_.load(std::memory_order_acquire))
        if (auto h = handler()) h->on_lost(keep, reason);
    close(SIGRUN_E_IO);
}

bool link::enter() noexcept {
    if (users_.fetch_add(1, std::memory_order_acq_rel) & k_closing) {
        leave();
        return false;
    }
    if (!open_.load(std::memory_order_acquire)) {
        leave();
        return false;
    }
    return true;
}

void link::leave() noexcept {
    if (users_.fetch_sub(1, std::memory_order_acq_rel) == (k_closing | 1u)) close_raw();
}

void link::close(sigrun_result why) noexcept {
    owner_closed_.store(true, std::memory_order_release);
    why_.store(why);
    open_.store(false, std::memory_order_release);
    std::uint32_t before = users_.fetch_or(k_closing, std::memory_order_acq_rel);
    if (before & k_closing) return;
    if (before == 0) close_raw();
}

// Never inline: the caller may be inside a callback of the very link that would be freed.
void link::close_raw() {
    if (!raw_ || raw_closed_.exchange(true)) return;
    auto keep = std::move(self_);
    boost::asio::post(host_.control(), [keep, this] {
        host_.call_async(
            *protocol_,
            [this](sigrun_op op) {
                ops_->close(raw_, why_.load(), op);
                return SIGRUN_PENDING;
            },
            [keep](result<buffer_ref>) { keep->gone_.store(true, std::memory_order_release); });
    });
}

sigrun_result link::execute(const sigrun_frame& offer) noexcept {
    if (!SIGRUN_HAS(ops_, execute)) return SIGRUN_E_UNSUPPORTED;
    if (!enter()) return SIGRUN_E_IO;
    auto r = ops_->execute(raw_, &offer);
    if (r >= 0) traffic_->out.add(size_of(offer));
    leave();
    return r;
}

sigrun_result link::cancel(const sigrun_attempt& attempt, nanoseconds grace) noexcept {
    if (!SIGRUN_HAS(ops_, cancel)) return SIGRUN_E_UNSUPPORTED;
    if (!enter()) return SIGRUN_E_IO;
    auto r = ops_->cancel(raw_, &attempt, static_cast<std::uint64_t>(grace.count()));
    leave();
    return r;
}

sigrun_result link::send(const sigrun_frame& frame) noexcept {
    if (!SIGRUN_HAS(ops_, send)) return SIGRUN_E_UNSUPPORTED;
    if (!enter()) return SIGRUN_E_IO;
    auto r = ops_->send(raw_, &frame);
    if (r >= 0) traffic_->out.add(size_of(frame));
    leave();
    return r;
}

void link::start_op(const std::function<sigrun_result(sigrun_op)>& start, op_callback done) {
    if (!enter()) {
        done(make_problem(errc::unavailable, "the link is closed"));
        return;
    }
    host_.call_async(*protocol_, start, std::move(done));
    leave();
}

void link::attach(const sigrun_attempt& attempt, std::uint64_t log_offset, op_callback done) {
    if (!SIGRUN_HAS(ops_, attach)) return done(make_problem(errc::unsupported, name_ + " cannot attach"));
    start_op([&](sigrun_op op) { return ops_->attach(raw_, &attempt, log_offset, op); }, std::move(done));
}

void link::describe(op_callback done) {
    if (!SIGRUN_HAS(ops_, describe)) return done(make_problem(errc::unsupported, name_ + " cannot describe"));
    start_op([this](sigrun_op op) { return ops_->describe(raw_, op); }, std::move(done));
}

void link::ping(op_callback done) {
    if (!SIGRUN_HAS(ops_, ping)) return done(make_problem(errc::unsupported, name_ + " cannot ping"));
    start_op([this](sigrun_op op) { return ops_->ping(raw_, op); }, std::move(done));
}

namespace {
// One method call: lives until its op completed.
struct outgoing_call {
    reply_fn replies;
    static sigrun_result on_frame(void* ctx, const sigrun_frame* f) noexcept {
        auto& me = *static_cast<outgoing_call*>(ctx);
        try {
            return me.replies({sdk::view(f->json), f->payload, (f->flags & SIGRUN_FRAME_LAST) != 0,
                               (f->flags & SIGRUN_FRAME_ERROR) != 0});
        } catch (const std::exception&) {
            return SIGRUN_E_INTERNAL;
        }
    }
};
}  // namespace

void link::call(std::string_view method, std::string_view params, std::string_view document, sigrun_buf* payload,
                reply_fn replies, std::function<void(result<void>)> done) {
    if (!SIGRUN_HAS(ops_, call)) return done(make_problem(errc::unsupported, name_ + " cannot call methods"));
    auto context = std::make_shared<outgoing_call>();
    context->replies = std::move(replies);
    sigrun_sink sink{sizeof(sigrun_sink), 0, context.get(), &outgoing_call::on_frame};
    sigrun_call request{
        sizeof(sigrun_call), 0, sdk::str(method), sdk::str(params), sdk::str(document), sdk::str(auth_), payload, 0};
    start_op([&](sigrun_op op) { return ops_->call(raw_, &request, &sink, op); },
             [context, done = std::move(done)](result<buffer_ref> r) {
                 if (r)
                     done({});
                 else
                     done(r.error());
             });
}

void link::call_once(std::string_view method, std::string_view params, std::string_view document,
                     std::function<void(result<std::string>)> done) {
    auto answer = std::make_shared<result<std::string>>(make_problem(errc::internal, "the peer sent no reply"));
    call(
        method, params, document, nullptr,
        [answer](const reply_view& r) {
            if (r.error)
                *answer = problem::from_json(r.json);
            else
                *answer = std::string(r.json);
            return SIGRUN_OK;
        },
        [answer, done = std::move(done)](result<void> r) { done(r ? std::move(*answer) : r.error()); });
}

void dial(plugin_host& host, const std::shared_ptr<instance>& protocol, const dial_target& target,
          std::weak_ptr<link_handler> handler, std::function<void(result<link_ptr>)> done) {
    const auto* table = protocol->table<sigrun_protocol>(SIGRUN_KIND_PROTOCOL);
    if (!table || !table->dial || !SIGRUN_HAS(table->dial, open) || !table->link)
        return done(make_problem(errc::unsupported, protocol->name() + " cannot dial"));
    auto made = std::make_shared<link>(host, protocol, std::move(handler));
    sigrun_endpoint endpoint{sizeof(sigrun_endpoint),  0, sdk::str(target.uri), sdk::str(target.profile),
                             sdk::str(target.options), 0};
    host.call_async(
        *protocol,
        [&](sigrun_op op) { return table->dial->open(protocol->abi(), &endpoint, &made->sink_, op, &made->raw_); },
        [made, done = std::move(done)](result<buffer_ref> r) {
            if (!r) return done(r.error());
            made->opened();
            done(made);
        });
}

result<std::shared_ptr<instance>> protocol_for_uri(plugin_host& host, std::string_view uri) {
    auto colon = uri.find("://");
    std::string_view scheme = uri.substr(0, colon == std::string_view::npos ? 0 : colon);
    std::string known;
    for (const auto& i : host.instances(SIGRUN_KIND_PROTOCOL)) {
        const auto* table = i->table<sigrun_protocol>(SIGRUN_KIND_PROTOCOL);
        if (!table || !table->dial) continue;
        std::string_view schemes = sdk::view(table->schemes);
        while (!schemes.empty()) {
            auto comma = schemes.find(',');
            auto one = schemes.substr(0, comma);
            if (one == scheme) return i;
            known += (known.empty() ? "" : ", ") + std::string(one) + "://";
            schemes.remove_prefix(comma == std::string_view::npos ? schemes.size() : comma + 1);
        }
    }
    return bad_value("endpoint",
                     known.empty() ? "a loaded protocol plugin" : "an address that begins with one of " + known,
                     "\"" + std::string(uri) + "\"");
}

}  // namespace sigrun

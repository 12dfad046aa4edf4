#include "kernel/agent/reception.hpp"

#include "kernel/base/id.hpp"
#include "kernel/base/json.hpp"

#include <sigrun/cpp/error.hpp>
#include <sigrun/cpp/text.hpp>

namespace sigrun {
namespace {

constexpr std::size_t k_max_tickets = 64;
constexpr std::chrono::seconds k_ticket_life{10};
constexpr std::size_t k_max_controller = 128;

sigrun_result reply(const sigrun_sink& to, std::uint32_t flags, std::string_view text) {
    sigrun_frame frame{};
    frame.struct_size = sizeof frame;
    frame.kind = SIGRUN_REPLY;
    frame.flags = flags | SIGRUN_FRAME_LAST;
    frame.json = sdk::str(text);
    auto r = to.on_frame(to.ctx, &frame);
    return r < 0 ? r : SIGRUN_OK;
}

}  // namespace

void reception::open_for(const std::shared_ptr<agent>& who) {
    std::lock_guard lock(mutex_);
    agent_ = who;
}

void reception::close() {
    std::lock_guard lock(mutex_);
    agent_.reset();
    tickets_.clear();
}

sigrun_result reception::begin(std::uint64_t session, const sigrun_call& call, const sigrun_sink& replies,
                               std::uint64_t* call_id, sigrun_error* error, protocol_traffic*) noexcept {
    return sdk::guarded(error, [&]() -> sigrun_result {
        *call_id = 0;
        std::shared_ptr<agent> who;
        {
            std::lock_guard lock(mutex_);
            who = agent_.lock();
        }
        auto method = sdk::view(call.method);
        if (method == "version.get")
            return reply(replies, 0,
                         json::serialize(json::object{{"name", "sigrun-runner"}, {"version", SIGRUN_SDK_VERSION}}));
        if (!who) {
            auto p = make_problem(errc::unavailable, "the runner is starting or stopping");
            return sdk::report(error, p.to_abi(), p.to_json());
        }
        if (method == "health.live") return reply(replies, 0, R"({"status":"ok"})");
        if (method == "sessions.open") {
            auto hello = open_session(*who, session, sdk::view(call.json));
            if (hello) return reply(replies, SIGRUN_FRAME_LINK, *hello);
            return sdk::report(error, hello.error().to_abi(), hello.error().to_json());
        }
        problem p{errc::not_found, "a runner has no such method", "method", "sessions.open, version.get or health.live",
                  "\"" + std::string(method.substr(0, 64)) + "\""};
        return sdk::report(error, p.to_abi(), p.to_json());
    });
}

result<std::string> reception::open_session(agent& who, std::uint64_t session, std::string_view document) {
    auto o = document.empty() ? result<json::object>(json::object{}) : parse_object(document);
    if (!o) return o.error();
    std::string controller(text_or(*o, "controller"));
    if (controller.size() > k_max_controller)
        return bad_value("controller", "at most 128 bytes", std::to_string(controller.size()));
    SIGRUN_CHECK_OK(who.may_adopt(controller));
    auto ticket = random_secret(16);
    {
        std::lock_guard lock(mutex_);
        auto now = clock::system().now();
        std::erase_if(tickets_, [&](const auto& t) { return t.second.expires < now; });
        if (tickets_.size() >= k_max_tickets)
            return problem{errc::busy, "too many sessions are being opened", "", "", "", 1000};
        tickets_[ticket] = {session, controller, now + k_ticket_life};
    }
    // The runner's own session id: one per link, so a new link never meets an old one's generation.
    std::string key(text_or(*o, "session"));
    if (key.empty()) key = id::make().text();
    const auto said = who.hello({key, number_or<std::uint64_t>(*o, "generation", 1), false, who.known_revision(*o)});
    auto hello = parse_object(said.text);
    if (!hello) return hello.error();
    (*hello)["ticket"] = ticket;
    {
        std::lock_guard lock(mutex_);
        tickets_[ticket].told = said.told;
    }
    return json::serialize(*hello);
}

void reception::end(std::uint64_t, sigrun_fn done, void* ctx) noexcept {
    if (done) done(ctx);
}

sigrun_result reception::adopt(std::shared_ptr<instance> owner, std::uint64_t session, std::string_view ticket,
                               sigrun_link* raw, const sigrun_sink** frames, sigrun_error* error) noexcept {
    return sdk::guarded(error, [&]() -> sigrun_result {
        std::shared_ptr<agent> who;
        std::string controller;
        std::uint64_t told = 0;
        {
            std::lock_guard lock(mutex_);
            who = agent_.lock();
            auto it = tickets_.find(ticket);
            if (!who || it == tickets_.end() || it->second.session != session ||
                it->second.expires < clock::system().now())
                return sdk::report(error, SIGRUN_E_DENIED, "the ticket is unknown, expired or of another connection");
            controller = it->second.controller;
            told = it->second.told;
            tickets_.erase(it);
        }
        auto made = std::make_shared<agent_link>();
        made->controller = controller;
        made->told = told;
        auto via = link::wrap(host_, std::move(owner), raw, std::weak_ptr<link_handler>(who));
        made->via = via;
        via->set_context(made);
        *frames = via->sink();
        who->adopted(made);
        return SIGRUN_OK;
    });
}

}  // namespace sigrun

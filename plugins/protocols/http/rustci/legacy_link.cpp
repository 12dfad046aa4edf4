#include "rustci/legacy_link.hpp"

#include "rustci/job.hpp"
#include "rustci/job_document.hpp"
#include "rustci/request.hpp"
#include "wire/json_text.hpp"

namespace sigrun::http::rustci {
namespace {
constexpr std::size_t k_connections = 4;
constexpr int k_max_mismatches = 3;
constexpr int k_lost_failures = 3;
constexpr auto k_lost_time = std::chrono::seconds(10);
}  // namespace

legacy_link::legacy_link(const sdk::host& host, loop& where, client_settings settings, options how,
                         const sigrun_sink& frames)
    : host_(host),
      loop_(where),
      client_(std::make_shared<client>(where, std::move(settings), k_connections)),
      options_(std::move(how)),
      frames_(frames) {}

request_ptr legacy_link::request(std::string_view verb, std::string target) const {
    auto r = std::make_shared<client_request>();
    r->verb = verb;
    r->target = std::move(target);
    r->headers = options_.credentials;
    r->deadline = clock::now() + options_.request_timeout;
    r->max_reply = options_.max_reply;
    return r;
}

void legacy_link::health(std::function<void(const client_result&)> then) {
    auto r = request("HEAD", "/health");
    r->headers.clear();  // credentials go with /jobs only
    r->on_done = [self = shared_from_this(), then = std::move(then)](const client_result& result) { then(result); };
    client_->send(std::move(r));
}

void legacy_link::open(sigrun_op token) {
    self_ = shared_from_this();
    auto op = std::make_shared<sdk::op>(host_, token);
    loop_.post([self = self_, op] {
        self->loop_.add(self);
        self->health([raw = self.get(), op](const client_result& r) {
            if (r.status) {
                raw->opened_ = true;
                raw->usable_.store(true);
                return op->ok();
            }
            raw->silent_ = true;
            const auto keep = raw->shared_from_this();
            raw->leave();
            op->fail(r.what == fault::timeout ? SIGRUN_E_TIMEOUT : SIGRUN_E_IO, r.why);
        });
    });
}

// ---- Link operations, [any]

sigrun_result legacy_link::execute(const sigrun_frame& offer) {
    if (quarantined_.load()) return SIGRUN_E_DENIED;
    if (!usable_.load()) return SIGRUN_E_IO;
    if (!offer.attempt) return SIGRUN_E_INVALID;
    auto f = std::make_shared<wire_frame>(copy_frame(offer, {}));
    loop_.post([self = shared_from_this(), f] { self->begin(*f); });
    return SIGRUN_OK;
}

sigrun_result legacy_link::attach(const sigrun_attempt& attempt, std::uint64_t log_offset, sigrun_op token) {
    auto about = std::make_shared<wire_frame>();
    about->attempt = attempt.number;
    about->job = sdk::view(attempt.job);
    about->token = sdk::view(attempt.token);
    auto op = std::make_shared<sdk::op>(host_, token);
    loop_.post([self = shared_from_this(), about, log_offset, op] {
        if (self->silent_) return op->fail(SIGRUN_E_IO, "the link is over");
        const auto uuid = job_uuid(about->job, *about->attempt);
        auto& slot = self->jobs_[uuid];
        if (slot) return op->ok();
        slot = std::make_shared<job>(*self, *about, uuid);
        const auto made = slot;
        made->attach(log_offset, std::move(*op));
    });
    return SIGRUN_PENDING;
}

sigrun_result legacy_link::cancel(const sigrun_attempt& attempt, std::uint64_t) {
    if (options_.cancel == cancel_form::none) return SIGRUN_E_UNSUPPORTED;
    if (!usable_.load()) return SIGRUN_E_IO;
    auto uuid = job_uuid(sdk::view(attempt.job), attempt.number);
    loop_.post([self = shared_from_this(), uuid = std::move(uuid)] {
        const auto found = self->jobs_.find(uuid);
        if (found == self->jobs_.end()) return;
        const auto keep = found->second;
        keep->cancel();
    });
    return SIGRUN_OK;
}

sigrun_result legacy_link::describe(sigrun_op token) {
    // The contract has no way to ask for facts; what is known of such a runner its operator declared.
    sdk::op(host_, token).ok("{\"facts\":[]}");
    return SIGRUN_PENDING;
}

sigrun_result legacy_link::ping(sigrun_op token) {
    auto op = std::make_shared<sdk::op>(host_, token);
    loop_.post([self = shared_from_this(), op] {
        if (self->quarantined_.load())
            return op->fail(SIGRUN_E_DENIED, "the runner answered for jobs of others; it gets no more offers");
        self->health([raw = self.get(), op](const client_result& r) {
            if (r.status) {
                op->ok(sdk::concat("{\"rtt_ns\":", r.took.count(), "}"));
                return raw->contact(true, {});
            }
            op->fail(r.what == fault::timeout ? SIGRUN_E_TIMEOUT : SIGRUN_E_IO, r.why);
            if (r.what != fault::cancelled) raw->contact(false, r.why);
        });
    });
    return SIGRUN_PENDING;
}

// ---- Jobs

void legacy_link::begin(const wire_frame& offer) {
    if (silent_) return;
    const auto uuid = job_uuid(offer.job, *offer.attempt);
    if (const auto known = jobs_.find(uuid); known != jobs_.end()) {
        if (known->second->accepted()) known->second->acknowledge();
        return;
    }
    const auto made = std::make_shared<job>(*this, offer, uuid);
    jobs_.emplace(uuid, made);
    if (offer.has_payload) return made->refuse("unsupported", "profile rustci carries no opaque payload");
    std::string why;
    const auto document = read_job(offer.json, why);
    if (!document) return made->refuse("unsupported", why);
    const auto too_large = [&](std::string_view found, std::size_t size) {
        made->refuse("too_large", sdk::concat("refused: payload too large for profile rustci: ", found, size,
                                              " bytes, at most ", options_.max_request));
    };
    if (const auto least = least_size(*document, options_); least > options_.max_request)
        return too_large("at least ", least);
    auto body = submit_body(*document, {offer.job, *offer.attempt, offer.token}, uuid, options_);
    if (body.size() > options_.max_request) return too_large({}, body.size());
    made->submit(std::move(body));
}

sigrun_result legacy_link::give(const wire_frame& f) { return silent_ ? SIGRUN_OK : deliver_frame(host_, frames_, f); }

void legacy_link::forget(const std::string& uuid) {
    const auto found = jobs_.find(uuid);
    if (found == jobs_.end()) return;
    const auto keep = std::move(found->second);
    jobs_.erase(found);
}

void legacy_link::contact(bool good, std::string_view why) {
    if (good) {
        failures_ = 0;
        return;
    }
    const auto now = clock::now();
    if (failures_++ == 0) first_failure_ = now;
    if (failures_ >= k_lost_failures && now - first_failure_ >= k_lost_time) lost(why);
}

void legacy_link::answered_for_another() {
    if (++mismatches_ < k_max_mismatches || quarantined_.exchange(true)) return;
    warn("the runner answered for jobs of others three times; it gets no more offers");
}

void legacy_link::warn(std::string_view text) const {
    host_.log(SIGRUN_LOG_WARNING, "http: legacy runner ", client_->peer().authority, ": ", text);
}

std::string legacy_link::within_origin(std::string_view location) const {
    const auto origin = sdk::concat(client_->peer().tls ? "https://" : "http://", client_->peer().authority);
    if (location.substr(0, origin.size()) == origin) location.remove_prefix(origin.size());
    if (location.empty() || location[0] != '/' || location.substr(0, 2) == "//") return {};
    for (char c : location)
        if (static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7f) return {};
    return std::string(location.substr(0, location.find('#')));
}

// ---- The end

void legacy_link::lost(std::string_view why) {
    if (silent_) return;
    const auto keep = shared_from_this();
    usable_.store(false);
    const std::string text(why);
    const auto jobs = jobs_;
    for (const auto& [uuid, j] : jobs) j->runner_lost(text);
    silent_ = true;
    for (const auto& [uuid, j] : std::exchange(jobs_, {})) j->stop();
    deliver_bye(frames_, text);
    client_->close();
}

void legacy_link::close(sigrun_result, sigrun_op token) {
    auto op = std::make_shared<sdk::op>(host_, token);
    loop_.post([self = shared_from_this(), op] {
        self->usable_.store(false);
        self->silent_ = true;
        self->leave();
        op->ok();
    });
}

void legacy_link::leave() {
    if (left_) return;
    left_ = true;
    for (const auto& [uuid, j] : std::exchange(jobs_, {})) j->stop();
    client_->close();
    loop_.remove(this);
    self_.reset();
}

void legacy_link::tick(time_point now) { client_->tick(now); }

void legacy_link::shut() {
    if (opened_) lost("the plugin is going away");
    client_->close();
}

}  // namespace sigrun::http::rustci

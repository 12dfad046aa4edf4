#include "rustci/job.hpp"

#include "rustci/legacy_link.hpp"
#include "rustci/retry_after.hpp"
#include "wire/text.hpp"

#include <ctime>
#include <random>

namespace sigrun::http::rustci {
namespace {

constexpr int k_patience = 3;  // polls that may say 404 after acceptance
constexpr int k_max_bad_replies = 10;
constexpr auto k_max_bad_time = std::chrono::seconds(60);
constexpr auto k_busy_retry = std::chrono::milliseconds(20);
constexpr std::size_t k_quoted = 4096;  // of a runner's own text
constexpr int k_max_redirects = 3;

bool is_success(int status) { return status >= 200 && status < 300; }
bool is_redirect(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}
bool is_overload(int status) { return status == 408 || status == 429 || status >= 500; }

std::string excerpt(std::string_view text) {
    std::size_t replaced = 0;
    return with_valid_utf8(text.substr(0, k_quoted), replaced);
}

std::string header(const client_result& r, const char* name) {
    const auto found = r.headers.find(name);
    return found == r.headers.end() ? std::string() : std::string(found->value().data(), found->value().size());
}

std::uint64_t wall_clock_ns() {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
            .count());
}

/// The pause plus or minus 10 %, so that many jobs do not come back at once.
std::chrono::nanoseconds spread(std::chrono::nanoseconds pause) {
    static thread_local std::minstd_rand random(static_cast<unsigned>(clock::now().time_since_epoch().count()));
    const auto tenth = pause.count() / 10;
    return tenth ? std::chrono::nanoseconds(std::uniform_int_distribution<std::int64_t>(-tenth, tenth)(random)) + pause
                 : pause;
}

}  // namespace

job::job(legacy_link& owner, const wire_frame& about, std::string uuid)
    : owner_(owner),
      job_(about.job),
      number_(about.attempt.value_or(0)),
      token_(about.token),
      uuid_(std::move(uuid)),
      timer_(owner.where().context()),
      give_timer_(owner.where().context()),
      poll_pause_(owner.settings().poll_first) {}

wire_frame job::frame(std::uint32_t kind) const {
    wire_frame f;
    f.kind = kind;
    f.attempt = number_;
    f.job = job_;
    f.token = token_;
    return f;
}

void job::wait(std::chrono::nanoseconds pause, void (job::*then)()) {
    timer_.expires_after(pause);
    timer_.async_wait([self = shared_from_this(), then](const boost::system::error_code& ec) {
        if (!ec && !self->over_ && !self->ending_) ((*self).*then)();
    });
}

// ---- Submitting

void job::submit(std::string body) {
    body_ = std::move(body);
    post_submit();
}

void job::post_submit() {
    ++submit_tries_;
    auto r = owner_.request("POST", "/jobs");
    r->body = body_;
    r->has_body = true;
    r->headers += "Content-Type: application/json\r\n";
    r->on_done = [self = shared_from_this()](const client_result& result) {
        if (!self->over_ && !self->ending_) self->on_submitted(result);
    };
    owner_.send(std::move(r));
}

void job::on_submitted(const client_result& r) {
    if (r.what == fault::cancelled) return;
    if (r.what == fault::connect) return retry_submit(r, r.why);
    // Sent, but nobody knows with what result: a blind second POST could run the job twice.
    if (r.what != fault::none) return ask_again();
    if (r.status == 409) return accept();
    if (is_success(r.status)) {
        const auto said = read_submit_reply(r.body);
        if (!said) return ask_again();
        if (said->job_id == uuid_) return accept(said->has_ended);
        owner_.answered_for_another();
        return refuse("contract",
                      sdk::concat("the runner answered for job ", excerpt(said->job_id), " instead of ", uuid_));
    }
    if (is_overload(r.status)) return retry_submit(r, sdk::concat("the runner answered with HTTP status ", r.status));
    const auto said = sdk::concat("HTTP status ", r.status, r.body.empty() ? "" : ": ", excerpt(r.body));
    if (r.status == 401 || r.status == 403) return refuse("credentials", said);
    refuse("contract", said);
}

void job::retry_submit(const client_result& r, std::string_view why) {
    if (submit_tries_ > owner_.settings().submit_retries) return refuse("unavailable", why);
    auto pause = spread(owner_.settings().retry_delay * submit_tries_);
    if (const auto asked = read_retry_after(header(r, "Retry-After"), std::time(nullptr))) pause = *asked;
    wait(pause, &job::post_submit);
}

void job::ask_again() { ask(asking::submitted, "/jobs/" + uuid_, false, 0); }

void job::refuse(std::string_view code, std::string_view message) {
    if (over_ || ending_) return;
    final_ = frame(SIGRUN_ACK);
    final_.stream = SIGRUN_OFFER;
    final_.flags = SIGRUN_FRAME_ERROR;
    json_members m;
    m.text("code", code);
    m.text("message", excerpt(message));
    final_.json = m.finish();
    ending_ = true;
    give_frames();
}

void job::acknowledge() {
    auto f = frame(SIGRUN_ACK);
    f.stream = SIGRUN_OFFER;
    tell(std::move(f));
}

void job::accept(bool has_ended) {
    accepted_ = true;
    body_ = {};
    acknowledge();
    if (cancel_asked_) cancel();
    // A runner that answers when the job is done has the result at hand; nothing is gained by waiting for it.
    if (has_ended && !over_ && !ending_) return poll();
    schedule_poll();
}

void job::attach(std::uint64_t log_offset, sdk::op op) {
    attach_op_ = std::move(op);
    log_from_ = log_offset;
    ask(asking::attaching, "/jobs/" + uuid_, false, 0);
}

// ---- Polling

void job::schedule_poll() {
    if (over_ || ending_) return;
    wait(spread(poll_pause_), &job::poll);
    const auto next =
        std::chrono::nanoseconds(static_cast<std::int64_t>(static_cast<double>(poll_pause_.count()) * 1.5));
    poll_pause_ = std::min(next, owner_.settings().poll_max);
}

void job::poll() { ask(asking::polling, "/jobs/" + uuid_, false, 0); }

void job::ask(asking why_asked, std::string target, bool complete, int redirects) {
    auto r = owner_.request("GET", std::move(target));
    r->without_base = complete;
    r->on_done = [self = shared_from_this(), why_asked, redirects](const client_result& result) {
        if (!self->over_ && !self->ending_) self->on_status(why_asked, result, redirects);
    };
    owner_.send(std::move(r));
}

void job::on_status(asking why_asked, const client_result& r, int redirects) {
    if (r.what == fault::cancelled) return;
    if (r.what == fault::too_large) return fail_infra("reply_too_large", r.why, true);
    const bool answered = r.what == fault::none && !is_overload(r.status);
    if (!answered) {
        const auto self = shared_from_this();
        on_no_status(why_asked, r);
        owner_.contact(false, r.what == fault::none ? sdk::concat("HTTP status ", r.status) : r.why);
        return;
    }
    owner_.contact(true, {});
    if (is_redirect(r.status) && redirects < k_max_redirects) {
        const auto to = owner_.within_origin(header(r, "Location"));
        if (!to.empty()) return ask(why_asked, to, true, redirects + 1);
    }
    if (r.status == 404 && why_asked == asking::attaching) {
        attach_op_.fail(SIGRUN_E_NOT_FOUND, "the runner does not know this attempt");
        over_ = true;
        return owner_.forget(uuid_);
    }
    if (r.status == 404 && why_asked == asking::submitted) {
        // The runner never got it: the same job may be posted again.
        client_result none;
        return retry_submit(none, "the runner lost the request");
    }
    if (r.status == 404) {
        if (++forgotten_ > k_patience) return fail_infra("runner_forgot", "the runner no longer knows the job", false);
        return schedule_poll();
    }
    forgotten_ = 0;
    std::string why = sdk::concat("HTTP status ", r.status);
    auto status = is_success(r.status) ? read_status_reply(r.body, why) : std::nullopt;
    if (status && status->job_id != uuid_) {
        why = sdk::concat("the runner answered for job ", status->job_id);
        owner_.answered_for_another();
        status.reset();
    }
    if (!status && why_asked == asking::submitted) return on_no_status(why_asked, r);
    if (why_asked == asking::submitted) accept();
    if (attach_op_) {
        accepted_ = true;
        attach_op_.ok();
    }
    if (!status) return on_bad_status(why, r);
    bad_replies_ = 0;
    on_good_status(std::move(*status));
}

void job::on_no_status(asking why_asked, const client_result& r) {
    if (why_asked == asking::polling) return schedule_poll();
    const auto why = r.what == fault::none ? sdk::concat("HTTP status ", r.status) : r.why;
    if (why_asked == asking::attaching) {
        attach_op_.fail(SIGRUN_E_IO, why);
        over_ = true;
        return owner_.forget(uuid_);
    }
    if (++asks_ > owner_.settings().submit_retries)
        return fail_infra("submit_unknown", sdk::concat("nobody knows whether the runner took the job: ", why), true);
    wait(spread(owner_.settings().retry_delay * asks_), &job::ask_again);
}

void job::on_bad_status(const std::string& why, const client_result& r) {
    if (bad_replies_++ == 0) {
        first_bad_ = clock::now();
        first_bad_body_ = sdk::concat(why, "; the runner sent: ", excerpt(r.body));
        owner_.warn(sdk::concat("job ", job_, ": a status reply breaks the contract: ", why));
    }
    if (bad_replies_ >= k_max_bad_replies || clock::now() - first_bad_ >= k_max_bad_time)
        return fail_infra("contract", first_bad_body_, true);
    schedule_poll();
}

void job::on_good_status(status_reply&& s) {
    if (s.started) owner_.note_fills_started();
    if (s.status == word::running && !running_told_) {
        running_told_ = true;
        auto f = frame(SIGRUN_STATE);
        f.json = "{\"state\":\"running\"}";
        tell(std::move(f));
    } else if (s.status == word::queued && running_told_) {
        owner_.warn(sdk::concat("job ", job_, ": contract_violation: the state went back from running to queued"));
    }
    if (s.status == word::queued || s.status == word::running) return schedule_poll();
    finish_with(std::move(s));
}

void job::cancel() {
    cancel_asked_ = true;
    if (!accepted_ || over_) return;  // sent once the runner has accepted
    const bool remove = owner_.settings().cancel == cancel_form::remove;
    auto r = owner_.request(remove ? "DELETE" : "POST", "/jobs/" + uuid_ + (remove ? "" : "/cancel"));
    r->has_body = !remove;
    r->on_done = [self = shared_from_this()](const client_result& result) {
        if (self->over_ || (result.what == fault::none && is_success(result.status))) return;
        self->owner_.warn(
            sdk::concat("job ", self->job_, ": the runner did not take the cancel request: ",
                        result.what == fault::none ? sdk::concat("HTTP status ", result.status) : result.why));
    };
    owner_.send(std::move(r));
    poll_pause_ = owner_.settings().poll_first;
}

// ---- The end

void job::finish_with(status_reply&& s) {
    output_ = std::move(s.output);
    std::string state = "succeeded";
    json_members failure;
    const auto fault_is = [&](std::string_view kind, std::string_view code, std::string_view message) {
        failure.text("class", kind);
        failure.text("code", code);
        failure.text("message", message);
    };
    const auto said = s.error.empty() ? std::string("the runner gave no reason") : excerpt(s.error);
    if (s.status == word::cancelled) {
        state = "cancelled";
        fault_is("cancelled", cancel_asked_ ? "cancelled" : "cancelled_by_runner", said);
    } else if (s.exit_code && (s.status == word::failed || *s.exit_code != 0)) {
        state = "failed";
        fault_is("user", "exit_code", s.error.empty() ? sdk::concat("exit code ", *s.exit_code) : said);
    } else if (s.status == word::failed) {
        state = "failed";
        const bool never_ran = !s.started && owner_.fills_started();
        fault_is(never_ran ? "infra_runner" : "user", never_ran ? "never_ran" : "failed", said);
    }
    json_members m;
    m.text("state", state);
    if (s.exit_code) {
        m.number("exit_code", *s.exit_code);
    } else {
        m.raw("exit_code", "null");
    }
    m.raw("failure", failure.empty() ? std::string("null") : failure.finish());
    if (s.exit_code) {
        json_members u;
        u.number("wall_s", s.used.wall_s);
        u.number("cpu_s", s.used.cpu_s);
        u.number("memory_peak_bytes", s.used.memory_peak_bytes);
        u.number("storage_bytes", s.used.storage_bytes);
        u.number("network_bytes", s.used.network_bytes);
        m.raw("usage", u.finish());
    }
    if (!s.artifacts.empty()) {
        std::string names;
        for (const auto& a : s.artifacts) {
            if (!names.empty()) names += ',';
            append_json_string(names, a);
        }
        m.raw("artifacts", sdk::concat("[", names, "]"));
    }
    if (s.replaced) m.number("output_replaced_bytes", s.replaced);
    final_ = frame(SIGRUN_STATE);
    final_.flags = SIGRUN_FRAME_LAST;
    final_.offset = output_.size();
    final_.json = m.finish();
    output_given_ = static_cast<std::size_t>(std::min<std::uint64_t>(log_from_, output_.size()));
    ending_ = true;
    give_frames();
}

void job::fail_infra(std::string_view code, std::string_view message, bool unknown_state) {
    json_members failure;
    failure.text("class", "infra_runner");
    failure.text("code", code);
    failure.text("message", excerpt(message));
    json_members m;
    m.text("state", "failed");
    m.raw("exit_code", "null");
    m.raw("failure", failure.finish());
    if (unknown_state) m.text("runner_state", "unknown");
    final_ = frame(SIGRUN_STATE);
    final_.flags = SIGRUN_FRAME_LAST;
    final_.json = m.finish();
    final_.offset = log_from_;
    output_.clear();
    output_given_ = 0;
    ending_ = true;
    if (attach_op_) attach_op_.fail(SIGRUN_E_IO, message);
    give_frames();
}

void job::tell(wire_frame f) {
    untold_.push_back(std::move(f));
    give_frames();
}

bool job::give_or_wait(const wire_frame& f) {
    if (owner_.give(f) != SIGRUN_E_BUSY) return !over_;
    give_timer_.expires_after(k_busy_retry);
    give_timer_.async_wait([self = shared_from_this()](const boost::system::error_code& ec) {
        if (!ec && !self->over_) self->give_frames();
    });
    return false;
}

void job::give_frames() {
    const auto keep = shared_from_this();
    while (!untold_.empty()) {
        if (!give_or_wait(untold_.front())) return;
        untold_.pop_front();
    }
    if (!ending_) return;
    timer_.cancel();
    while (output_given_ < output_.size()) {
        auto f = frame(SIGRUN_LOG);
        f.stream = SIGRUN_STREAM_STDOUT;
        f.offset = output_given_;
        f.time_ns = wall_clock_ns();
        f.payload = output_.substr(output_given_, SIGRUN_LOG_MAX);
        f.has_payload = true;
        if (!give_or_wait(f)) return;
        output_given_ += f.payload.size();
    }
    if (!give_or_wait(final_)) return;
    over_ = true;
    owner_.forget(uuid_);
}

void job::stop() {
    over_ = true;
    timer_.cancel();
    give_timer_.cancel();
    if (attach_op_) attach_op_.fail(SIGRUN_E_CANCELLED, "the link was closed");
}

void job::runner_lost(std::string_view why) {
    if (over_ || ending_) return;
    if (!accepted_) return refuse("unavailable", why);
    fail_infra("runner_lost", why, true);
}

}  // namespace sigrun::http::rustci

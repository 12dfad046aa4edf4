#include "kernel/base/quantity.hpp"
#include "kernel/base/rfc3339.hpp"
#include "kernel/job/job_json.hpp"
#include "kernel/serve/explain_job.hpp"
#include "kernel/serve/job_filter.hpp"
#include "kernel/serve/submitted_signatures.hpp"
#include "kernel/serve/tenancy.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>

namespace sigrun {
namespace {

/// A submit that waits for the end of its job, or for its own deadline. Owned by its call: when that was answered or its
/// caller left, nothing of it stays but an empty reference in the job's list of waiters.
class submit_waiter final : public std::enable_shared_from_this<submit_waiter>, public timer_node {
public:
    submit_waiter(timer_wheel& timers, const call_ptr& call, job_ptr j, bool replayed)
        : timers_(timers), call_(call), job_(std::move(j)), replayed_(replayed) {}
    ~submit_waiter() override { timers_.disarm(*this); }
    static void start(timer_wheel& timers, const call_ptr& call, job_ptr j, bool replayed, time_point deadline) {
        // Not make_shared: the weak reference must not hold the object's memory.
        std::shared_ptr<submit_waiter> made(new submit_waiter(timers, call, std::move(j), replayed));
        call->keep(made);
        timers.arm(*made, deadline);
        made->end_ = made->job_->engine.when_done(made->job_, [weak = std::weak_ptr(made)] {
            if (auto me = weak.lock()) me->answer();
        });
    }

private:
    std::shared_ptr<void> pin() noexcept override { return weak_from_this().lock(); }
    void on_timer() override { answer(); }
    void answer() {
        if (answered_.exchange(true)) return;
        timers_.disarm(*this);
        auto call = call_.lock();
        if (!call) return;
        std::string out;
        out.reserve(1024);
        append_job_json(out, *job_, replayed_);
        buffer_ref result;
        {
            std::lock_guard lock(job_->mutex);
            if (job_->end) result = job_->end->result;
        }
        call->last(out, result.get());
    }

    timer_wheel& timers_;
    const std::weak_ptr<inbound_call> call_;
    const job_ptr job_;
    const bool replayed_;
    std::atomic<bool> answered_{false};
    std::shared_ptr<void> end_;  // of the job: who was answered or left is not told any more
};

struct submit_params {
    nanoseconds wait{0};
    std::string key;
};

result<submit_params> parse_submit_params(std::string_view text) {
    // Callers that submit many jobs send the same params again and again.
    thread_local std::string last_text;
    thread_local submit_params last;
    if (!text.empty() && text == last_text) return last;
    SIGRUN_TRY(o, parse_params(text, {"wait", "idempotency_key"}));
    submit_params p;
    SIGRUN_TRY(wait, duration_param(o, "wait", nanoseconds(0)));
    if (wait > std::chrono::hours(1)) return bad_value("wait", "at most 1h", format_duration(wait));
    p.wait = wait;
    p.key = text_or(o, "idempotency_key");
    last_text = text;
    last = p;
    return p;
}

void submit(controller& c, const call_input& in, const call_ptr& call) {
    auto params = parse_submit_params(in.params);
    if (!params) {
        call->fail(params.error());
        return;
    }
    std::string bound;
    if (!tenant_of(in).empty()) {
        auto document = for_tenant(in);
        if (!document) return void(call->fail(document.error()));
        bound = std::move(*document);
    }
    submit_request request{bound.empty() ? in.document : std::string_view(bound),
                           in.payload ? buffer_ref::share(in.payload) : buffer_ref(), params->key};
    if (c.signatures)
        if (auto fine = c.signatures->check(request.document, request.payload.view()); !fine)
            return void(call->fail(fine.error()));
    if (in.who) request.submitter = in.who->name;
    request.trace_parent = in.trace_parent;
    c.jobs.submit(request, [&c, call, wait = params->wait](result<job_ptr> r, bool replayed) {
        if (!r) {
            call->fail(r.error());
            return;
        }
        if (wait.count() > 0) {
            call->answers_late();
            submit_waiter::start(c.timers, call, *r, replayed, c.time.now() + wait);
            return;
        }
        std::string out;
        append_job_json(out, **r, replayed);
        call->last(out);
    });
}

// Calls `body` with the job named by the param id, or answers with the problem.
template <class Body>
void with_job(controller& c, const call_input& in, const json::object& o, const call_ptr& call, Body&& body) {
    auto uid = required_text(o, "id");
    if (!uid) {
        call->fail(uid.error());
        return;
    }
    auto j = find_job(c.jobs, in, *uid);
    if (!j) {
        call->fail(j.error());
        return;
    }
    body(*j);
}

void answer_job(const job_ptr& j, const call_ptr& call) {
    std::string out;
    append_job_json(out, *j);
    call->last(out);
}

result<std::string> list_jobs(controller& c, const call_input& in, const json::object& o) {
    SIGRUN_TRY(limit, number_param(o, "limit", 100, 1, 1000));
    std::optional<job_state> state;
    if (auto text = text_or(o, "state"); !text.empty()) {
        state = parse_job_state(text);
        if (!state)
            return bad_value(
                "state",
                "delayed, blocked, queued, offered, running, uploading, succeeded, failed, cancelled, expired or dead",
                "\"" + std::string(text) + "\"");
    }
    std::optional<id> before;
    if (auto cursor = text_or(o, "cursor"); !cursor.empty()) {
        before = id::parse(cursor);
        if (!before) return bad_value("cursor", "the `next` of an earlier answer", "\"" + std::string(cursor) + "\"");
    }
    SIGRUN_TRY(where, job_filter::compile(text_or(o, "where")));
    auto queue = text_or(o, "queue"), tenant = text_or(o, "tenant");
    auto jobs = c.jobs.all();
    std::erase_if(jobs, [&](const job_ptr& j) {
        if (!may_know(in, *j)) return true;
        if (before && !(j->uid < *before)) return true;
        if (!queue.empty() && j->spec->queue != queue) return true;
        if (!tenant.empty() && j->spec->tenant != tenant) return true;
        if (state) {
            std::lock_guard lock(j->mutex);
            if (j->state != *state) return true;
        }
        return !where.matches(*j);
    });
    auto newest_first = [](const job_ptr& a, const job_ptr& b) { return b->uid < a->uid; };
    auto n = std::min<std::size_t>(jobs.size(), limit);
    std::partial_sort(jobs.begin(), jobs.begin() + static_cast<std::ptrdiff_t>(n), jobs.end(), newest_first);
    std::string out = "{\"items\":[";
    for (std::size_t i = 0; i < n; ++i) {
        if (i) out += ',';
        append_job_summary(out, *jobs[i]);
    }
    out += "],\"next\":";
    out += n < jobs.size() ? "\"" + jobs[n - 1]->uid.text() + "\"" : "null";
    return out + "}";
}

// A job that waits was last looked at when it found no place; the fleet may be another one by now.
void refresh_reason(controller& c, const job_ptr& j) {
    static constexpr std::string_view k_waits = "waits: ";
    auto stale = [&] {
        return j->state == job_state::queued && !j->settling &&
               (j->reason.empty() || j->reason.view().starts_with(k_waits));
    };
    if (auto text = c.jobs.blocked_text(j); !text.empty()) {
        std::lock_guard lock(j->mutex);
        if (j->state == job_state::blocked) j->reason = std::move(text);
        return;
    }
    {
        std::lock_guard lock(j->mutex);
        if (!stale()) return;
    }
    auto e = c.jobs.explain(j);
    const auto text = waiting_reason(c, *j, e, {});
    std::lock_guard lock(j->mutex);
    if (!stale()) return;
    auto known =
        j->reason.empty() ? std::string("a place is being looked for") : j->reason.text().substr(k_waits.size());
    j->reason = sdk::concat(k_waits, text.empty() ? known : text);
}

// A time, or how long ago.
result<std::uint64_t> since_param(std::string_view text, std::int64_t now_ns) {
    std::int64_t then = 0;
    if (auto ago = parse_duration(text))
        then = now_ns - std::min<std::int64_t>(now_ns, ago->count());
    else if (auto time = parse_rfc3339(text))
        then = *time;
    else
        return bad_value("since", "a duration such as \"10m\", or a time such as \"2026-01-05T10:00:00Z\"",
                         "\"" + std::string(text) + "\"");
    return static_cast<std::uint64_t>(then);
}

result<log_request> parse_log_request(const json::object& o, std::int64_t now_ns) {
    constexpr auto k_most = ~0ull >> 1;
    log_request what;
    SIGRUN_TRY(offset, number_param(o, "offset", 0, 0, k_most));
    SIGRUN_TRY(attempt, number_param(o, "attempt", 0, 1, 1'000'000));
    SIGRUN_TRY(follow, bool_param(o, "follow", false));
    what.offset = offset;
    what.attempt = static_cast<std::uint32_t>(attempt);
    what.follow = follow;
    if (o.contains("tail")) {
        SIGRUN_TRY(lines, number_param(o, "tail", 0, 0, k_most));
        what.last_lines = lines;
    }
    if (o.contains("since")) {
        SIGRUN_TRY(text, required_text(o, "since"));
        SIGRUN_TRY(since, since_param(text, now_ns));
        what.since_ns = since;
    }
    return what;
}

result<void> has_attempt(job& j, std::uint32_t number) {
    std::lock_guard lock(j.mutex);
    if (!number || std::any_of(j.attempts.begin(), j.attempts.end(), [&](const auto& a) { return a.number == number; }))
        return {};
    if (j.attempts.empty()) return bad_value("attempt", "a number, once there is an attempt", std::to_string(number));
    // Not always in their order: see job::current.
    const auto earlier = [](const attempt& a, const attempt& b) { return a.number < b.number; };
    const auto [first, last] = std::minmax_element(j.attempts.begin(), j.attempts.end(), earlier);
    return bad_value("attempt", sdk::concat("one of ", first->number, " to ", last->number), std::to_string(number));
}

}  // namespace

void add_job_methods(router& r, controller& c) {
    r.add("jobs.submit", [&c](const call_input& in, const call_ptr& call) { submit(c, in, call); });
    r.add("jobs.get", [&c](const call_input& in, const call_ptr& call) {
        auto o = parse_params(in.params, {"id"});
        if (!o) return void(call->fail(o.error()));
        with_job(c, in, *o, call, [&](const job_ptr& j) {
            refresh_reason(c, j);
            answer_job(j, call);
        });
    });
    r.add("jobs.list", [&c](const call_input& in, const call_ptr& call) {
        auto o = parse_params(in.params, {"state", "where", "queue", "tenant", "limit", "cursor"});
        auto answer = o ? list_jobs(c, in, *o) : result<std::string>(o.error());
        if (answer)
            call->last(*answer);
        else
            call->fail(answer.error());
    });
    r.add("jobs.cancel", [&c](const call_input& in, const call_ptr& call) {
        auto o = parse_params(in.params, {"id", "grace"});
        if (!o) return void(call->fail(o.error()));
        auto grace = duration_param(*o, "grace", std::chrono::seconds(10));
        if (!grace) return void(call->fail(grace.error()));
        with_job(c, in, *o, call, [&](const job_ptr& j) {
            c.jobs.cancel(j, *grace);
            bool settling = false;
            {
                std::lock_guard lock(j->mutex);
                settling = j->settling;
            }
            // An end that is only on its way to the disk is worth waiting for; processes may take their grace.
            if (settling)
                call->keep(c.jobs.when_done(j, [j = std::weak_ptr(j), weak = std::weak_ptr(call)] {
                    auto waiting = weak.lock();
                    if (auto ended = j.lock(); ended && waiting) answer_job(ended, waiting);
                }));
            else
                answer_job(j, call);
        });
    });
    r.add("jobs.retry", [&c](const call_input& in, const call_ptr& call) {
        auto o = parse_params(in.params, {"id"});
        if (!o) return void(call->fail(o.error()));
        with_job(c, in, *o, call, [&](const job_ptr& j) {
            const std::string who = in.who ? in.who->name : std::string();
            c.jobs.retry(j, who, [call](const result<job_ptr>& again, bool) {
                if (again)
                    answer_job(*again, call);
                else
                    call->fail(again.error());
            });
        });
    });
    r.add("jobs.logs", [&c](const call_input& in, const call_ptr& call) {
        auto o = parse_params(in.params, {"id", "offset", "follow", "since", "tail", "attempt"});
        if (!o) return void(call->fail(o.error()));
        auto what = parse_log_request(*o, c.time.wall_ns());
        if (!what) return void(call->fail(what.error()));
        with_job(c, in, *o, call, [&](const job_ptr& j) {
            if (auto there = has_attempt(*j, what->attempt); !there) return void(call->fail(there.error()));
            call->answers_late();
            stream_log(c, j, *what, call);
        });
    });
    r.add("jobs.explain", [&c](const call_input& in, const call_ptr& call) {
        auto o = parse_params(in.params, {"id"});
        if (!o) return void(call->fail(o.error()));
        with_job(c, in, *o, call, [&](const job_ptr& j) { call->last(json::serialize(explain_job(c, j))); });
    });
}

}  // namespace sigrun

#include "kernel/job/job_json.hpp"

#include "kernel/base/base64.hpp"
#include "kernel/base/json_writer.hpp"
#include "kernel/base/time_text.hpp"

#include <sigrun/balancer.h>
#include <sigrun/cpp/text.hpp>

#include <cstdio>

namespace sigrun {
namespace {

std::string_view why_text(std::uint8_t reason) {
    switch (reason) {
        case SIGRUN_WHY_IDLE_TIER: return "an idle place";
        case SIGRUN_WHY_LEAST_COUNT: return "fewest jobs in flight";
        case SIGRUN_WHY_SED: return "shortest expected delay";
        case SIGRUN_WHY_STRIDE: return "its turn";
        case SIGRUN_WHY_AFFINITY: return "affinity";
        case SIGRUN_WHY_ZONE: return "zone";
        case SIGRUN_WHY_AFFINITY_SPILL: return "affinity, but its runner has its share";
        case SIGRUN_WHY_ZONE_SPILL: return "another zone, for the nearest is full";
        case SIGRUN_WHY_RETRY_ALTERNATE: return "another runner than before";
        case SIGRUN_WHY_BUILTIN_FALLBACK: return "the built-in two-choice pick";
        case SIGRUN_WHY_HCL_COLD: return "the lowest latency of those with few jobs";
        case SIGRUN_WHY_HCL_HOT: return "all sampled runners have many jobs, this one the fewest";
        case SIGRUN_WHY_LATE_BOUND: return "it waited, and a place became free";
        case SIGRUN_WHY_EARLY_REOFFER: return "the runner before did not answer in time";
        case SIGRUN_WHY_RUN_HEDGE: return "a copy, since the job takes longer than usual";
        case SIGRUN_WHY_PANIC: return "most runners that match are ejected, so that ejected ones are used, too";
        case SIGRUN_WHY_EXPLORE: return "a try, to learn how it does";
        case SIGRUN_WHY_POWER_OF_D: return "the least loaded of a few random ones";
        default: return "chosen";
    }
}

void time_member(json_writer& w, std::string_view name, std::int64_t wall_ns) {
    w.key(name);
    if (wall_ns)
        w.value(to_rfc3339(wall_ns));
    else
        w.null();
}

void failure_member(json_writer& w, const failure& f) {
    w.key("failure");
    if (f.cls == failure_class::none) {
        w.null();
        return;
    }
    w.open_object()
        .member("class", to_string(f.cls))
        .member("code", f.code)
        .member("message", f.message)
        .close_object();
}

void optional_number(json_writer& w, std::string_view name, const std::optional<int>& n) {
    w.key(name);
    if (n)
        w.value(*n);
    else
        w.null();
}

void runner_member(json_writer& w, const attempt* a) {
    w.key("runner");
    if (!a || !a->runner) {
        w.null();
        return;
    }
    auto uid = a->runner.chars();
    w.open_object()
        .member("id", std::string_view(uid.data(), uid.size()))
        .member("name", a->runner_name)
        .close_object();
}

// Text where it is UTF-8, otherwise base64: the bytes must survive the way.
void bytes_member(json_writer& w, std::string_view name, const buffer_ref& bytes) {
    w.key(name);
    if (!bytes) {
        w.null();
        return;
    }
    auto text = bytes.view();
    std::string quoted;
    append_json_string(quoted, text);
    if (quoted.find("\xEF\xBF\xBD") == std::string::npos)
        w.raw(quoted);
    else
        w.open_object().member("base64", to_base64(text)).close_object();
}

// Its name among those it was submitted with, what it needs, and its group.
void ties_members(json_writer& w, const job& j) {
    if (j.ties) {
        w.member("name", j.ties->name).member("submission", j.ties->submission.text());
        if (!j.ties->needs.empty()) {
            w.member("when", to_string(j.ties->when)).key("needs").open_array();
            for (const auto& need : j.ties->needs)
                w.open_object()
                    .member("name", need.name)
                    .member("id", need.job.text())
                    .member("ended", to_string(need.ended))
                    .close_object();
            w.close_array();
        }
    }
    if (const auto* in = j.spec->group.get()) {
        w.key("group").open_object().member("name", in->group->name).member("policy", to_string(in->policy));
        w.member("max", in->group->limit_for(in->max)).close_object();
    }
}

void summary_members(json_writer& w, job& j) {
    attempt* a = j.current();
    auto uid = j.uid.chars();
    w.member("id", std::string_view(uid.data(), uid.size()));
    w.member("state", to_string(j.state));
    w.member("kind", j.spec->kind);
    w.key("command").open_array();
    for (const auto& word : j.spec->command) w.value(word);
    w.close_array();
    optional_number(w, "exit_code", j.end ? j.end->exit_code : std::nullopt);
    optional_number(w, "signal", j.end ? j.end->signal : std::nullopt);
    failure_member(w, j.end ? j.end->why : failure{});
    runner_member(w, a);
    w.key("protocol");
    if (a)
        w.value(a->protocol);
    else
        w.null();
    w.member("balancer", a ? a->balancer : j.spec->balancer);
    w.member("reason", !j.output_trouble->empty() && !j.end
                           ? "it stands still: its output cannot be stored: " + *j.output_trouble
                       : j.reason.empty() && a ? choice_reason(*a)
                                               : j.reason.text());
    time_member(w, "submitted_at", j.submitted_ns);
    if (j.start_ns) time_member(w, "start_at", j.start_ns);
    if (j.retry_of) w.member("retry_of", j.retry_of.text());
    ties_members(w, j);
    time_member(w, "started_at", j.started_ns);
    time_member(w, "finished_at", j.finished_ns);
    w.member("priority", to_string(j.spec->priority)).member("queue", j.spec->queue);
    w.member("durability", to_string(j.spec->keep));
}

void step_member(json_writer& w, std::string_view protocol, std::string_view reason, std::int64_t at_ns) {
    w.open_object().member("protocol", protocol).member("reason", reason);
    time_member(w, "at", at_ns);
    w.close_object();
}

// Over which protocols it went, first to last.
void rungs_member(json_writer& w, const attempt& a) {
    w.key("rungs").open_array();
    for (const auto& step : a.steps) step_member(w, step.protocol, step.reason, step.at_ns);
    if (a.steps.empty() && !a.protocol.empty())
        step_member(w, a.protocol, a.reason.empty() ? rung_reason(a) : a.reason, a.offered_ns);
    w.close_array();
    if (a.more_steps) w.member("rungs_left_out", a.more_steps);
}

// How much output there was, and what of it is not here.
void log_members(json_writer& w, const job& j) {
    w.member("log_bytes", j.log ? j.log->size() : 0);
    const auto gaps = j.log ? j.log->gaps() : std::vector<log_gap>{};
    std::uint64_t missing = j.end ? j.end->log_missing : 0;
    for (const auto& gap : gaps) missing += gap.bytes;
    if (missing) w.member("log_missing_bytes", missing);
    if (gaps.empty()) return;
    w.key("log_gaps").open_array();
    for (const auto& gap : gaps) w.open_object().member("offset", gap.offset).member("bytes", gap.bytes).close_object();
    w.close_array();
}

}  // namespace

std::string pick_reason(const attempt& a) {
    std::string out(why_text(a.explain.reason));
    if (a.late && a.explain.reason != SIGRUN_WHY_LATE_BOUND) out += ", when a place became free";
    return out;
}

std::string choice_reason(const attempt& a) {
    if (!a.reason.empty()) return a.reason;
    std::string out = sdk::concat(a.balancer, " took ", a.runner_name, " (", pick_reason(a), "); ",
                                  a.steps.empty() ? a.protocol : a.steps.front().protocol);
    out += ": " + rung_reason(a);
    if (a.rung_latency_ns) out += sdk::concat(", ", span_of_time(a.rung_latency_ns), " round trip");
    return out;
}

std::string rung_reason(const attempt& a) {
    std::string out(to_string(a.rung_reason));
    const bool chosen = a.rung_reason != rung_why::named && a.rung_reason != rung_why::only;
    if (chosen)
        out = sdk::concat("best of ", static_cast<unsigned>(a.rungs), " usable protocols, ", to_string(a.rung_reason));
    if (chosen && a.rung_score > 0 && a.next_score > 0) {
        char scores[64];
        std::snprintf(scores, sizeof scores, " (score %.2f, next %.2f)", static_cast<double>(a.rung_score),
                      static_cast<double>(a.next_score));
        out += scores;
    }
    using wish_t = chosen_link::wish_t;
    if (a.wish == wish_t::unusable) out += ", as the preferred protocol cannot be used";
    if (a.wish == wish_t::worse) out += ", clearly better than the preferred protocol";
    if (a.wish == wish_t::granted && a.rung_reason == rung_why::only) out += ", and the preferred one";
    if (a.slow_rungs) out += sdk::concat("; ", static_cast<unsigned>(a.slow_rungs), " slower than max_latency");
    return out;
}

void append_job_summary(std::string& out, job& j) {
    std::lock_guard lock(j.mutex);
    json_writer w(out);
    w.open_object();
    summary_members(w, j);
    w.close_object();
}

void append_job_json(std::string& out, job& j, bool replayed) {
    std::lock_guard lock(j.mutex);
    json_writer w(out);
    w.open_object();
    summary_members(w, j);
    w.key("attempts").open_array();
    for (const auto& a : j.attempts) {
        w.open_object().member("number", a.number);
        runner_member(w, &a);
        w.member("protocol", a.protocol).member("state", to_string(a.state)).member("reason", choice_reason(a));
        time_member(w, "started_at", a.started_ns);
        time_member(w, "finished_at", a.finished_ns);
        optional_number(w, "exit_code", a.exit_code);
        failure_member(w, a.why);
        w.member("log_offset", a.log_begin);
        if (a.own_log) w.member("own_log", true);
        if (a.hedge) w.member("hedge", true);
        if (!a.limits.empty()) w.key("limits").raw(a.limits);
        if (!a.isolation.empty()) w.key("isolation").raw(a.isolation);
        if (!a.signature.empty()) w.key("signature").raw(a.signature);
        if (!a.step_results.empty()) w.key("steps").raw(a.step_results);
        if (!a.usage.empty()) w.key("usage").raw(a.usage);
        rungs_member(w, a);
        w.close_object();
    }
    w.close_array();
    log_members(w, j);
    bytes_member(w, "result", j.end ? j.end->result : buffer_ref());
    w.key("labels").open_object();
    for (const auto& [k, v] : j.spec->labels) {
        std::string name;
        append_json_string(name, k);
        w.key(std::string_view(name).substr(1, name.size() - 2)).value(v);
    }
    w.close_object();
    w.member("requires", j.spec->requires_text).member("tenant", j.spec->tenant);
    if (const auto* by = j.spec->signature.get())
        w.key("signature").open_object().member("key", by->key_id).member("expires", by->expires).close_object();
    w.key("usage");
    if (j.end && !j.end->usage.empty())
        w.raw(j.end->usage);
    else
        w.null();
    w.key("outputs").raw(j.end && !j.end->outputs.empty() ? std::string_view(j.end->outputs) : "{}");
    if (j.end && !j.end->output_warnings.empty()) w.key("output_warnings").raw(j.end->output_warnings);
    w.key("artifacts").raw(j.end && j.end->artifacts ? json::serialize(to_json(j.end->artifacts->list())) : "[]");
    if (j.end && !j.end->artifact_warnings.empty()) w.key("artifact_warnings").raw(j.end->artifact_warnings);
    if (j.end && j.end->runner_unknown) w.member("runner_state", "unknown");
    if (replayed) w.member("idempotency_replayed", true);
    w.close_object();
}

std::string job_record(const job& j) {
    std::string out;
    out.reserve(j.spec->document.size() + 512);
    json_writer w(out);
    w.open_object();
    w.member("id", j.uid.text()).member("state", to_string(j.state)).key("document").raw(j.spec->told_document());
    if (!j.spec->sealed_secrets.empty()) w.member("secrets", j.spec->sealed_secrets);
    if (j.payload) w.member("payload", to_base64(j.payload.view()));
    if (!j.idempotency_key.empty()) w.member("key", j.idempotency_key);
    w.member("reason", j.reason.view())
        .member("user_tries", j.user_tries)
        .member("infrastructure_tries", j.infrastructure_tries);
    w.member("waits_since_ns", j.waits_since_ns);
    if (j.start_ns) w.member("start_ns", j.start_ns);
    if (j.retry_of) w.member("retry_of", j.retry_of.text());
    if (j.ties) write_ties(w, *j.ties);
    if (j.trace) w.member("trace", j.trace->text());
    w.member("submitted_ns", j.submitted_ns).member("started_ns", j.started_ns).member("finished_ns", j.finished_ns);
    w.key("attempts").open_array();
    for (const auto& a : j.attempts) {
        w.open_object()
            .member("number", a.number)
            .member("state", to_string(a.state))
            .member("runner", a.runner.text());
        w.member("runner_name", a.runner_name).member("token", a.token).member("protocol", a.protocol);
        w.member("balancer", a.balancer).member("reason", choice_reason(a)).member("offered_ns", a.offered_ns);
        w.member("started_ns", a.started_ns).member("finished_ns", a.finished_ns);
        if (a.log_begin) w.member("log_offset", a.log_begin);
        if (a.own_log) w.member("own_log", true);
        if (a.hedge) w.member("hedge", true);
        if (a.exit_code) w.member("exit_code", *a.exit_code);
        failure_member(w, a.why);
        if (!a.limits.empty()) w.key("limits").raw(a.limits);
        if (!a.isolation.empty()) w.key("isolation").raw(a.isolation);
        if (!a.signature.empty()) w.key("signature").raw(a.signature);
        if (!a.step_results.empty()) w.key("step_results").raw(a.step_results);
        if (!a.usage.empty()) w.key("usage").raw(a.usage);
        if (a.may_return) w.member("may_return", true);
        if (a.may_run) w.member("may_run", true);
        if (!a.steps.empty()) {
            w.key("steps").open_array();
            for (const auto& step : a.steps)
                w.open_object()
                    .member("protocol", step.protocol)
                    .member("reason", step.reason)
                    .member("at_ns", step.at_ns)
                    .close_object();
            w.close_array().member("more_steps", a.more_steps);
        }
        w.close_object();
    }
    w.close_array();
    if (j.end) {
        w.key("end").open_object().member("state", to_string(j.end->state));
        if (j.end->exit_code) w.member("exit_code", *j.end->exit_code);
        if (j.end->signal) w.member("signal", *j.end->signal);
        failure_member(w, j.end->why);
        if (!j.end->usage.empty()) w.key("usage").raw(j.end->usage);
        if (j.end->result) w.member("result", to_base64(j.end->result.view()));
        if (j.end->log_missing) w.member("log_missing", j.end->log_missing);
        if (!j.end->outputs.empty()) w.key("outputs").raw(j.end->outputs);
        if (!j.end->output_warnings.empty()) w.key("output_warnings").raw(j.end->output_warnings);
        if (j.end->artifacts) w.key("artifacts").raw(json::serialize(to_json(j.end->artifacts->list())));
        if (!j.end->artifact_warnings.empty()) w.key("artifact_warnings").raw(j.end->artifact_warnings);
        w.member("runner_unknown", j.end->runner_unknown).close_object();
    }
    w.close_object();
    return out;
}

namespace {

failure failure_of(const json::object& o) {
    failure f;
    if (const auto* why = object_or_null(o, "failure")) {
        f.cls = parse_failure_class(text_or(*why, "class"));
        f.code = text_or(*why, "code");
        f.message = text_or(*why, "message");
    }
    return f;
}

std::optional<int> int_of(const json::object& o, std::string_view name) {
    if (!o.contains(name)) return std::nullopt;
    return number_or<int>(o, name, 0);
}

buffer_ref bytes_of(const json::object& o, std::string_view name) {
    if (!o.contains(name)) return {};
    auto raw = from_base64(text_or(o, name));
    return raw ? buffer_ref::copy_of(*raw) : buffer_ref();
}

attempt attempt_of(const json::object& o) {
    attempt a;
    a.number = number_or<std::uint32_t>(o, "number", 0);
    auto state = text_or(o, "state");
    for (int i = 0; i <= static_cast<int>(attempt_state::refused); ++i)
        if (to_string(static_cast<attempt_state>(i)) == state) a.state = static_cast<attempt_state>(i);
    a.runner = id::parse(text_or(o, "runner")).value_or(id{});
    a.runner_name = text_or(o, "runner_name");
    a.token = text_or(o, "token");
    a.protocol = text_or(o, "protocol");
    a.balancer = text_or(o, "balancer");
    a.reason = text_or(o, "reason");
    a.offered_ns = number_or<std::int64_t>(o, "offered_ns", 0);
    a.started_ns = number_or<std::int64_t>(o, "started_ns", 0);
    a.finished_ns = number_or<std::int64_t>(o, "finished_ns", 0);
    a.log_begin = number_or<std::uint64_t>(o, "log_offset", 0);
    a.own_log = bool_or(o, "own_log", false);
    a.hedge = bool_or(o, "hedge", false);
    a.exit_code = int_of(o, "exit_code");
    a.why = failure_of(o);
    if (const auto* limits = object_or_null(o, "limits")) a.limits = json::serialize(*limits);
    if (const auto* held = object_or_null(o, "isolation")) a.isolation = json::serialize(*held);
    if (const auto* checked = object_or_null(o, "signature")) a.signature = json::serialize(*checked);
    if (const auto* steps = array_or_null(o, "step_results")) a.step_results = json::serialize(*steps);
    if (const auto* usage = object_or_null(o, "usage")) a.usage = json::serialize(*usage);
    a.may_return = bool_or(o, "may_return", false);
    a.may_run = bool_or(o, "may_run", false);
    a.more_steps = number_or<std::uint32_t>(o, "more_steps", 0);
    if (const auto* steps = array_or_null(o, "steps"))
        for (const auto& v : *steps)
            if (const auto* step = v.if_object())
                a.steps.push_back({std::string(text_or(*step, "protocol")), std::string(text_or(*step, "reason")),
                                   number_or<std::int64_t>(*step, "at_ns", 0)});
    return a;
}

}  // namespace

result<job_record_view> parse_job_record(std::string_view body) {
    SIGRUN_TRY(o, parse_object(body));
    job_record_view r;
    const auto* document = object_or_null(o, "document");
    auto state = parse_job_state(text_or(o, "state"));
    if (!document || !state) return bad_value("job record", "a document and a state", "neither");
    r.document = json::serialize(*document);
    r.state = *state;
    r.sealed_secrets = text_or(o, "secrets");
    r.key = text_or(o, "key");
    r.reason = text_or(o, "reason");
    r.payload = bytes_of(o, "payload");
    r.user_tries = number_or<std::uint32_t>(o, "user_tries", 0);
    r.infrastructure_tries = number_or<std::uint32_t>(o, "infrastructure_tries", 0);
    r.waits_since_ns = number_or<std::int64_t>(o, "waits_since_ns", 0);
    r.start_ns = number_or<std::int64_t>(o, "start_ns", 0);
    if (auto of = id::parse(text_or(o, "retry_of"))) r.retry_of = *of;
    r.ties = read_ties(o);
    r.trace = text_or(o, "trace");
    r.submitted_ns = number_or<std::int64_t>(o, "submitted_ns", 0);
    r.started_ns = number_or<std::int64_t>(o, "started_ns", 0);
    r.finished_ns = number_or<std::int64_t>(o, "finished_ns", 0);
    if (const auto* list = array_or_null(o, "attempts"))
        for (const auto& v : *list)
            if (const auto* a = v.if_object()) r.attempts.push_back(attempt_of(*a));
    // Of earlier versions, which knew it of the newest attempt alone.
    if (auto base = number_or<std::uint64_t>(o, "log_base", 0); base && !r.attempts.empty())
        r.attempts.back().log_begin = base;
    if (const auto* e = object_or_null(o, "end")) {
        ending end;
        end.state = parse_job_state(text_or(*e, "state")).value_or(job_state::failed);
        end.exit_code = int_of(*e, "exit_code");
        end.signal = int_of(*e, "signal");
        end.why = failure_of(*e);
        if (const auto* usage = object_or_null(*e, "usage")) end.usage = json::serialize(*usage);
        if (const auto* outputs = object_or_null(*e, "outputs")) end.outputs = json::serialize(*outputs);
        if (const auto* told = array_or_null(*e, "output_warnings")) end.output_warnings = json::serialize(*told);
        if (const auto* told = array_or_null(*e, "artifact_warnings")) end.artifact_warnings = json::serialize(*told);
        if (const auto* list = array_or_null(*e, "artifacts"))
            if (auto artifacts = parse_artifacts(*list)) r.artifacts = std::move(*artifacts);
        end.result = bytes_of(*e, "result");
        end.log_missing = number_or<std::uint64_t>(*e, "log_missing", 0);
        end.runner_unknown = bool_or(*e, "runner_unknown", false);
        r.end = std::make_unique<ending>(std::move(end));
    }
    return r;
}

}  // namespace sigrun

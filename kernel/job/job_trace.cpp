#include "kernel/job/job_trace.hpp"

#include "kernel/base/id.hpp"
#include "kernel/base/json.hpp"
#include "kernel/job/job.hpp"

#include <sigrun/cpp/request_context.hpp>

#include <algorithm>
#include <charconv>

namespace sigrun {
namespace {

std::string hex(std::uint64_t n) {
    constexpr char k_digits[] = "0123456789abcdef";
    std::string out(16, '0');
    for (auto at = out.rbegin(); at != out.rend(); ++at, n >>= 4) *at = k_digits[n & 15];
    return out;
}

/// Another one for each use, the same each time: splitmix64.
std::uint64_t within(std::uint64_t span, std::uint64_t use) noexcept {
    std::uint64_t z = span + 0x9e3779b97f4a7c15u * (use + 1);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return z ? z : 1;
}
// What the spans of a job are for; the number of an attempt beside it.
enum class use : std::uint64_t { submit = 1, wait = 2, attempt = 3, rung = 4 };
std::string id_of(const job_trace& t, use what, std::uint64_t number, std::uint64_t part = 0) {
    return hex(within(t.span, (static_cast<std::uint64_t>(what) << 56) | (number << 24) | part));
}

void submit_span(std::vector<trace_span>& out, const job_trace& t, const job& j) {
    if (!j.accepted_ns) return;
    trace_span s{t.trace_id, id_of(t, use::submit, 0), hex(t.span), "submit"};
    s.begin_ns = j.submitted_ns;
    s.end_ns = std::max(j.accepted_ns, j.submitted_ns);
    s.texts.emplace_back("sigrun.durability", to_string(j.spec->keep));
    out.push_back(std::move(s));
}

void wait_span(std::vector<trace_span>& out, const job_trace& t, std::uint32_t before, std::int64_t from,
               std::int64_t to) {
    if (to <= from) return;
    trace_span s{t.trace_id, id_of(t, use::wait, before), hex(t.span), "wait"};
    s.begin_ns = from;
    s.end_ns = to;
    out.push_back(std::move(s));
}

void rung_spans(std::vector<trace_span>& out, const job_trace& t, const attempt& a, std::int64_t end) {
    for (std::size_t i = 0; i < a.steps.size(); ++i) {
        const auto& step = a.steps[i];
        trace_span s{t.trace_id, id_of(t, use::rung, a.number, i), id_of(t, use::attempt, a.number),
                     "over " + step.protocol};
        s.begin_ns = step.at_ns;
        s.end_ns = std::max(i + 1 < a.steps.size() ? a.steps[i + 1].at_ns : end, s.begin_ns);
        s.texts = {{"sigrun.protocol", step.protocol}, {"sigrun.reason", step.reason}};
        out.push_back(std::move(s));
    }
}

void attempt_span(std::vector<trace_span>& out, const job_trace& t, const attempt& a, std::int64_t end) {
    trace_span s{t.trace_id, id_of(t, use::attempt, a.number), hex(t.span), "attempt " + std::to_string(a.number)};
    s.what = trace_span::kind::client;
    s.begin_ns = a.offered_ns;
    s.end_ns = std::max(end, a.offered_ns);
    s.texts = {{"sigrun.runner", a.runner_name},
               {"sigrun.protocol", a.protocol},
               {"sigrun.balancer", a.balancer},
               {"sigrun.attempt.state", std::string(to_string(a.state))}};
    s.numbers.emplace_back("sigrun.attempt.number", a.number);
    if (a.started_ns) s.numbers.emplace_back("sigrun.attempt.start_ms", (a.started_ns - a.offered_ns) / 1'000'000);
    if (a.exit_code) s.numbers.emplace_back("process.exit.code", *a.exit_code);
    s.failed = a.state != attempt_state::succeeded;
    s.message = a.why.message;
    out.push_back(std::move(s));
    rung_spans(out, t, a, end);
}

void job_span(std::vector<trace_span>& out, const job_trace& t, const job& j) {
    trace_span s{t.trace_id, hex(t.span), t.parent, "job"};
    s.what = trace_span::kind::producer;
    s.begin_ns = j.submitted_ns;
    s.end_ns = std::max(j.finished_ns, j.submitted_ns);
    s.texts = {{"sigrun.job.id", j.uid.text()},
               {"sigrun.job.kind", j.spec->kind},
               {"sigrun.job.state", std::string(to_string(j.state))},
               {"sigrun.queue", j.spec->queue},
               {"sigrun.tenant", j.spec->tenant}};
    if (j.end && j.end->exit_code) s.numbers.emplace_back("process.exit.code", *j.end->exit_code);
    s.numbers.emplace_back("sigrun.attempts", static_cast<std::int64_t>(j.attempts.size()));
    s.failed = j.state != job_state::succeeded;
    if (j.end) s.message = j.end->why.message;
    out.push_back(std::move(s));
}

}  // namespace

std::string job_trace::text() const {
    return trace_id + "-" + hex(span) + "-" + (parent.empty() ? "0" : parent) + (sampled ? "-s" : "-n") +
           (own ? "o" : "f");
}

std::unique_ptr<job_trace> job_trace::from_text(std::string_view text) {
    if (text.size() < 32 + 1 + 16 + 1 + 1 + 3) return nullptr;
    auto out = std::make_unique<job_trace>();
    out->trace_id = text.substr(0, 32);
    if (std::from_chars(text.data() + 33, text.data() + 49, out->span, 16).ptr != text.data() + 49) return nullptr;
    const auto rest = text.substr(50);
    const auto dash = rest.find('-');
    if (dash == std::string_view::npos || rest.size() < dash + 3) return nullptr;
    if (rest.substr(0, dash) != "0") out->parent = rest.substr(0, dash);
    out->sampled = rest[dash + 1] == 's';
    out->own = rest[dash + 2] == 'o';
    return out;
}

std::string job_trace::trace_parent(std::uint32_t attempt) const {
    const bool mine = own && sampled;
    return "00-" + trace_id + "-" + (mine || parent.empty() ? id_of(*this, use::attempt, attempt) : parent) +
           (sampled ? "-01" : "-00");
}

std::unique_ptr<job_trace> job_tracer::begin(std::string_view trace_parent) const {
    const bool called = sdk::is_trace_parent(trace_parent);
    if (!called && !take_) return nullptr;
    auto out = std::make_unique<job_trace>();
    out->own = static_cast<bool>(take_);
    out->span = within(random_u64(), 0);
    if (called) {
        out->trace_id = trace_parent.substr(3, 32);
        out->parent = trace_parent.substr(36, 16);
        out->sampled = ((trace_parent[54] >= 'a' ? trace_parent[54] - 'a' + 10 : trace_parent[54] - '0') & 1) != 0;
    } else {
        constexpr double k_all = 18446744073709551616.0;
        if (static_cast<double>(random_u64()) >= share_ * k_all) return nullptr;
        out->trace_id = hex(within(random_u64(), 1)) + hex(within(random_u64(), 2));
        out->sampled = true;
    }
    return out;
}

void job_tracer::ended(job& j) const {
    if (!take_ || !j.trace || !j.trace->sampled) return;
    const auto& t = *j.trace;
    std::vector<trace_span> out;
    job_span(out, t, j);
    submit_span(out, t, j);
    auto idle_since = j.submitted_ns;
    for (const auto& a : j.attempts) {
        const auto end = a.finished_ns ? a.finished_ns : j.finished_ns;
        wait_span(out, t, a.number, idle_since, a.offered_ns);
        attempt_span(out, t, a, end);
        idle_since = std::max(idle_since, end);
    }
    if (j.attempts.empty()) wait_span(out, t, 0, idle_since, j.finished_ns);
    take_(std::move(out));
}

std::optional<std::string> with_trace_parent(std::string_view document, const std::string& trace_parent) {
    auto o = parse_object(document);
    if (!o) return std::nullopt;
    auto& env = (*o)["env"];
    if (env.is_null()) env = json::object();
    if (!env.is_object() || env.as_object().contains(k_trace_variable)) return std::nullopt;
    if (const auto* secrets = object_or_null(*o, "secrets"); secrets && secrets->contains(k_trace_variable))
        return std::nullopt;
    env.as_object()[k_trace_variable] = trace_parent;
    return json::serialize(*o);
}

}  // namespace sigrun

// The trace that a job is part of (W3C Trace Context), and its spans: the job from submit to end, its submit, each wait for a place, each
// attempt, and each protocol that an attempt went over if it changed. Made when the job has ended, from what the job keeps anyway.
#pragma once

#include "kernel/metrics/span.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

struct job;

struct job_trace {
    std::string trace_id;    // 32 hexadecimal digits
    std::string parent;      // 16: the span of who submitted it; empty: it begins the trace
    std::uint64_t span = 0;  // of the job; those within it follow from it
    bool sampled = false;    // its spans are sent
    bool own = false;        // somebody takes spans: the job's are in between its caller's and its command's

    /// As it is kept with the job.
    std::string text() const;
    static std::unique_ptr<job_trace> from_text(std::string_view text);
    /// What the command of this attempt is part of: its span, or its caller's where none are made here.
    std::string trace_parent(std::uint32_t attempt) const;
};

/// Decides which jobs are traced, and gives their spans away. [any]
class job_tracer {
public:
    using taker = std::function<void(std::vector<trace_span>)>;
    /// `take`: empty if nobody wants spans; then callers' traces are only handed on. `share`: of the jobs that no caller's trace comes with.
    job_tracer(taker take, double share) : take_(std::move(take)), share_(share) {}

    /// Null: it is part of no trace.
    std::unique_ptr<job_trace> begin(std::string_view trace_parent) const;
    /// Under the job's lock, when it has ended.
    void ended(job& j) const;

private:
    const taker take_;
    const double share_;
};

/// The variable of a job's environment that has it.
inline constexpr std::string_view k_trace_variable = "TRACEPARENT";
/// The job document with the variable TRACEPARENT in its environment, unless it has one of its own. Nothing: it is left as it is.
std::optional<std::string> with_trace_parent(std::string_view document, const std::string& trace_parent);

}  // namespace sigrun

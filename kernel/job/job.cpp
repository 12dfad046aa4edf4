#include "kernel/job/job.hpp"

#include "kernel/job/engine.hpp"

#include <algorithm>
#include <array>

namespace sigrun {
namespace {
constexpr std::array<std::string_view, 11> k_states{"delayed",   "blocked",   "queued",    "offered",
                                                    "running",   "uploading", "succeeded", "failed",
                                                    "cancelled", "expired",   "dead"};
constexpr std::array<std::string_view, 11> k_classes{
    "none",      "user",    "user_timeout", "resource",     "infra_runner", "infra_controller", "infra_dependency",
    "preempted", "refused", "cancelled",    "unschedulable"};
constexpr std::array<std::string_view, 7> k_attempts{"offered",   "running", "succeeded", "failed",
                                                     "cancelled", "lost",    "refused"};
}  // namespace

std::string_view to_string(job_state s) noexcept { return k_states[static_cast<std::size_t>(s)]; }
std::string_view to_string(failure_class c) noexcept { return k_classes[static_cast<std::size_t>(c)]; }
std::string_view to_string(attempt_state s) noexcept { return k_attempts[static_cast<std::size_t>(s)]; }

std::optional<job_state> parse_job_state(std::string_view text) noexcept {
    for (std::size_t i = 0; i < k_states.size(); ++i)
        if (k_states[i] == text) return static_cast<job_state>(i);
    return std::nullopt;
}

failure_class parse_failure_class(std::string_view text) noexcept {
    for (std::size_t i = 0; i < k_classes.size(); ++i)
        if (k_classes[i] == text) return static_cast<failure_class>(i);
    return failure_class::infra_runner;
}

job::~job() {
    demand.move(spec ? spec->demand.get() : nullptr, demand_kind::none);
    engine.timers_.disarm(*this);
    engine.placed_.remove(placed);
    engine.placed_.remove(placed_beside);
}

attempt* job::other() noexcept {
    if (!beside) return nullptr;
    const auto at =
        std::find_if(attempts.rbegin(), attempts.rend(), [&](const attempt& a) { return a.number == beside->number; });
    return at == attempts.rend() ? nullptr : &*at;
}

attempt_state state_of(const ending& how) noexcept {
    switch (how.state) {
        case job_state::succeeded: return attempt_state::succeeded;
        case job_state::cancelled: return attempt_state::cancelled;
        default: return how.why.code == "lost" ? attempt_state::lost : attempt_state::failed;
    }
}

void job::on_timer() { engine.on_timer(shared_from_this()); }

}  // namespace sigrun

// How an attempt ended, as the final STATE frame says it. Pure.
#pragma once

#include "kernel/base/result.hpp"
#include "kernel/plugin/buffer.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

struct final_state {
    std::string json;  // empty = succeeded with exit code 0 and nothing to add
    buffer_ref payload;
};

/// From what the executor's op was completed with. `bytes`: on success the buffer is the result itself (inline
/// executors), otherwise JSON as executor.h describes it.
final_state conclude(const result<buffer_ref>& answer, bool bytes);
/// The same, for one that this runner has ended itself: where the executor says "cancelled", that was why.
final_state conclude_ended(const result<buffer_ref>& answer, std::string_view failure_class, std::string_view code,
                           std::string_view message);
/// An attempt that ended for a reason of the runner's own, e.g. class preempted. State: "cancelled" for that class,
/// otherwise "failed".
final_state ended_as(std::string_view failure_class, std::string_view code, std::string_view message);
/// Whether a command ran and its end is the job's own: what it has left is of interest.
bool ended_for_good(const final_state& how);
/// What it wished to leave is not kept: that fails a job which would have succeeded, and is a warning otherwise. `why` has at
/// least one sentence.
final_state without_artifacts(final_state how, std::string_view failure_class, std::string_view code,
                              const std::vector<std::string>& why);

}  // namespace sigrun

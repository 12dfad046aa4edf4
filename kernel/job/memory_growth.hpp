// More memory for a job that the last attempts had too little of, where the job allows it (retry.memory_factor).
#pragma once

#include "kernel/job/job.hpp"

#include <string>

namespace sigrun {

inline constexpr double k_largest_memory_factor = 8;  // of one attempt

/// Under the job's lock: by what the limit is multiplied now; 1 = as it was submitted.
double memory_growth(const job& j) noexcept;
/// Any thread. `document` with its limits.memory multiplied; as it is for a factor of 1.
std::string with_more_memory(const std::string& document, double factor);
/// Whether `now` bytes are what that makes of `limit` after at most so many attempts, with this retry.memory_factor. Looks at each
/// number of them, and is asked about documents that a stranger may have made.
bool could_have_grown(std::uint64_t limit, std::uint64_t now, double factor_each, std::uint32_t most) noexcept;

}  // namespace sigrun

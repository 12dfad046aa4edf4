// More memory for a job that the last attempts had too little of, where the job allows it (retry.memory_factor).
#pragma once

#include "kernel/job/job.hpp"

#include <string>

namespace sigrun {

/// Under the job's lock: by what the limit is multiplied now; 1 = as it was submitted.
double memory_growth(const job& j) noexcept;
/// Any thread. `document` with its limits.memory multiplied; as it is for a factor of 1.
std::string with_more_memory(const std::string& document, double factor);
/// Whether `now` bytes are what that makes of `limit`, for some number of attempts with this retry.memory_factor.
bool could_have_grown(std::uint64_t limit, std::uint64_t now, double factor_each) noexcept;

}  // namespace sigrun

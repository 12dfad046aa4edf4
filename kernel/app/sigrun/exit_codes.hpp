// What `sigrun` exits with. Scripts rely on these numbers; the root README.md repeats them.
#pragma once

#include <boost/json/object.hpp>

namespace sigrun::cli {

enum exit_code : int {
    k_ok = 0,
    k_usage = 2,
    k_unreachable = 3,
    k_not_found = 4,
    k_refused = 5,
    k_timed_out = 6,
    k_failed = 7,
    // `run` and `submit --wait` pass on the job's own code; what is not the job's doing stays out of its way.
    k_run_unreachable = 120,
    k_run_refused = 121,
    k_run_cancelled = 122,
    k_run_infrastructure = 123,
    k_run_timed_out = 124,
    k_run_failed = 125,
    k_interrupted = 130,
};

/// From a JOB in a terminal state: its own exit code, 128 + signal, or one of 122-124.
int exit_code_of_job(const boost::json::object& job) noexcept;

/// The table for --help.
extern const char* const k_exit_codes_help;

}  // namespace sigrun::cli

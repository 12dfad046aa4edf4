#include "kernel/app/sigrun/exit_codes.hpp"

#include "kernel/app/sigrun/failure.hpp"
#include "kernel/base/json.hpp"

namespace sigrun::cli {

int failure::exit_code() const noexcept {
    if (from_ == source::transport) return k_unreachable;
    if (from_ == source::interrupt) return k_interrupted;
    switch (what_.code) {
        case errc::not_found: return k_not_found;
        case errc::invalid:
        case errc::unknown_field:
        case errc::conflict:
        case errc::unauthenticated:
        case errc::forbidden:
        case errc::too_large:
        case errc::unsupported:
        case errc::busy: return k_refused;
        case errc::timeout: return k_timed_out;
        case errc::cancelled:
        case errc::unavailable:
        case errc::io:
        case errc::internal: break;
    }
    return k_failed;
}

int failure::run_exit_code() const noexcept {
    switch (exit_code()) {
        case k_unreachable: return k_run_unreachable;
        case k_refused:
        case k_not_found: return k_run_refused;
        case k_timed_out: return k_run_timed_out;
        case k_interrupted: return k_interrupted;
        default: return k_run_failed;
    }
}

int exit_code_of_job(const json::object& job) noexcept {
    auto state = text_or(job, "state");
    if (state == "succeeded") return k_ok;
    if (state == "cancelled") return k_run_cancelled;
    if (state == "expired") return k_run_timed_out;
    if (state != "failed") return k_run_infrastructure;
    const json::object* failure = object_or_null(job, "failure");
    auto failure_class = failure ? text_or(*failure, "class") : std::string_view();
    if (failure_class == "user_timeout") return k_run_timed_out;
    if (failure_class.starts_with("infra_")) return k_run_infrastructure;
    if (int code = number_or<int>(job, "exit_code", 0); code > 0 && code < 256) return code;
    if (int signal = number_or<int>(job, "signal", 0); signal > 0 && signal < 128) return 128 + signal;
    // The job could not be started for a reason of its own, such as its working directory.
    return failure_class == "user" || failure_class == "resource" ? k_run_failed : k_run_infrastructure;
}

const char* const k_exit_codes_help =
    "Exit codes:\n"
    "  0 done   2 usage   3 cannot reach the daemon   4 not found   5 refused or invalid\n"
    "  6 timed out   7 other failure   130 interrupted\n"
    "  run and submit --wait exit with the job's own code (128+n: killed by signal n), or\n"
    "  120 cannot reach the daemon   121 job refused   122 cancelled   123 infrastructure failed\n"
    "  124 timed out or expired   125 wrong usage of run, a job that could not be started, other failures";

}  // namespace sigrun::cli

#include "job_wrapper.hpp"

namespace sigrun::process {

setting_plan plain_jobs::wrap(const sdk::job_setting& wanted, const wrap_place&, std::vector<step>&) const {
    if (!wanted.isolation.writable.empty() && !wanted.isolation.files)
        throw job_error{"invalid", "isolation.writable: expected isolation.files = read_only beside it, found none"};
    return plan_setting(wanted, means_, writable_);
}

void plain_jobs::describe(sdk::fact_writer& facts) const {
    // The kernel's answers hold until the next boot; what the runner may do is up to how it was started.
    const sdk::fact_info trial{.source = "unshare", .method = "derived"};
    const auto may = [&](std::string_view key, const std::string& why_not) {
        auto how = trial;
        how.detail = why_not;
        facts.ok(key, why_not.empty(), how);
    };
    may("isolation.mounts", means_.mounts);
    may("isolation.processes", means_.processes);
    may("isolation.network", means_.network);
    may("isolation.ipc", means_.ipc);
    facts.ok("isolation.landlock", means_.landlock_abi, {.source = "landlock_create_ruleset", .detail = means_.files});
    facts.ok("isolation.seccomp", means_.syscalls.empty(), {.source = "libseccomp", .detail = means_.syscalls});
}

}  // namespace sigrun::process

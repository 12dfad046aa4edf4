#include "sandboxed_jobs.hpp"

#include "syscall_filter.hpp"

#include <sigrun/cpp/text.hpp>

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

namespace sigrun::sandbox {
namespace {

using process::setting_refused;

// A sandbox without one of these would be none.
bool always_held(std::string_view part) { return part != "network" && part != "syscalls"; }

bool is_folder(const std::string& path) {
    struct stat about {};
    return ::lstat(path.c_str(), &about) == 0 && S_ISDIR(about.st_mode);
}

// bwrap would say so as well, but as the exit code 1. What a path inside leads to is not known before.
void must_be_there(const std::string& program, std::string_view path) {
    if (program.find('/') != std::string::npos) return;
    for (auto rest = path; !program.empty() && !rest.empty();) {
        const auto folder = rest.substr(0, rest.find(':'));
        rest.remove_prefix(std::min(rest.size(), folder.size() + 1));
        struct stat about {};
        if (::stat(sdk::concat(folder.empty() ? "." : folder, "/", program).c_str(), &about) == 0 && (about.st_mode & 0111))
            return;
    }
    throw process::job_error{"not_found", sdk::concat("command \"", program, "\" not found"), 127};
}

bool below(std::string_view path, std::string_view folder) {
    return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
}

}  // namespace

std::vector<std::string> bubblewrap_command(const std::string& program, const sandbox_rules& rules,
                                            const process::wrap_place& place, const std::vector<std::string>& writable,
                                            bool network, bool filtered) {
    std::vector<std::string> c{program, "--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try"};
    const auto add = [&](std::initializer_list<std::string> words) { c.insert(c.end(), words); };
    if (!network) add({"--unshare-net"});
    if (place.uid == 0)
        add({"--cap-drop", "ALL"});
    else
        add({"--unshare-user"});
    add({"--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"});
    std::vector<std::string> empty{"/tmp", "/var/tmp"};
    empty.insert(empty.end(), rules.hide.begin(), rules.hide.end());
    // Where it is are those of other jobs, too.
    auto others = std::filesystem::path(place.workspace).parent_path().string();
    if (others != "/" && std::none_of(empty.begin(), empty.end(),
                                      [&](const auto& folder) { return folder == others || below(others, folder); }))
        empty.push_back(std::move(others));
    for (const auto& folder : empty)
        if (is_folder(folder)) add({"--tmpfs", folder});
    add({"--bind", place.workspace, place.workspace});
    for (const auto& path : writable) add({"--bind", path, path});
    add({"--chdir", place.workdir});
    if (filtered) add({"--seccomp", std::to_string(SIGRUN_SHIM_FILTER_AT)});
    add({"--"});
    return c;
}

process::setting_plan sandboxed_jobs::wrap(const sdk::job_setting& wanted, const process::wrap_place& place,
                                           std::vector<process::step>& steps) const {
    for (const auto& row : sdk::k_job_isolation)
        if (wanted.isolation.*(row.value) == false && always_held(row.name))
            throw process::job_error{"invalid", sdk::concat("isolation.", row.name, ": expected ", row.on,
                                                            ", as a sandbox always has it, found ", row.off)};
    const auto found = finder_.get();
    if (!found.why_not.empty())
        throw setting_refused{"sandbox", sdk::concat("this runner cannot run jobs of kind sandbox: ", found.why_not)};
    must_be_there(steps[0].argv[0], place.path);
    const auto& isolation = wanted.isolation;
    // Its own choice of paths, and the refusal of a filter that cannot be had, are those of every job.
    auto own = wanted;
    for (const auto& row : sdk::k_job_isolation)
        own.isolation.*(row.value) = row.name == "syscalls" && isolation.syscalls.value_or(true);
    process::isolation_means means;
    means.syscalls = process::job_syscall_filter().why_not;
    auto plan = process::plan_setting(own, means, rules_.writable);
    const bool filtered = (plan.shim.what & SIGRUN_SHIM_FILTERED) != 0;
    // bwrap puts it on when its own work is done: with it on, it could not make the sandbox. It sees to the rest as well.
    plan.shim.what &= ~std::uint32_t{SIGRUN_SHIM_FILTERED | SIGRUN_SHIM_NO_NEW_PRIVS};
    if (filtered) plan.shim.what |= SIGRUN_SHIM_FILTER_FD;
    const bool network = isolation.network == false;
    std::vector<process::held_setting> held;
    for (const auto& row : sdk::k_job_isolation)
        if (row.name != "syscalls" && (row.name != "network" || !network))
            held.push_back({std::string(row.name), std::string(row.on), "bubblewrap", {}});
    plan.held.insert(plan.held.begin(), held.begin(), held.end());
    const auto before = bubblewrap_command(found.program, rules_, place, plan.writable, network, filtered);
    for (auto& step : steps) step.argv.insert(step.argv.begin(), before.begin(), before.end());
    plan.writable.clear();  // they are bwrap's now
    place.environment.home = place.workspace;
    return plan;
}

void sandboxed_jobs::describe(sdk::fact_writer& facts) const {
    const auto found = finder_.get();
    const sdk::fact_info about{.source = found.program, .volatility = "slow", .detail = found.why_not};
    if (found.why_not.empty())
        facts.ok("isolation.bubblewrap", found.version, about);
    else
        facts.none("isolation.bubblewrap", "absent", about);
}

}  // namespace sigrun::sandbox

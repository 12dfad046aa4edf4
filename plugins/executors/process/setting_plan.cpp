#include "setting_plan.hpp"

#include "syscall_filter.hpp"

#include <sigrun/cpp/copied_process.hpp>
#include <sigrun/cpp/text.hpp>

#include <boost/json.hpp>

#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sigrun::process {
namespace {

namespace json = boost::json;

struct means_row {
    std::string_view name, by;
    std::uint32_t what;
    std::string isolation_means::*why_not;  // null: always held
};
constexpr means_row k_means[] = {
    {"tmp", "mount_namespace", SIGRUN_SHIM_NS_MOUNT | SIGRUN_SHIM_PRIVATE_TMP, &isolation_means::mounts},
    {"mounts", "mount_namespace", SIGRUN_SHIM_NS_MOUNT, &isolation_means::mounts},
    {"processes", "pid_namespace", SIGRUN_SHIM_NS_PID | SIGRUN_SHIM_NS_MOUNT, &isolation_means::processes},
    {"network", "network_namespace", SIGRUN_SHIM_NS_NET, &isolation_means::network},
    {"ipc", "ipc_namespace", SIGRUN_SHIM_NS_IPC, &isolation_means::ipc},
    {"files", "landlock", SIGRUN_SHIM_READ_ONLY | SIGRUN_SHIM_NO_NEW_PRIVS, &isolation_means::files},
    {"syscalls", "seccomp", SIGRUN_SHIM_FILTERED | SIGRUN_SHIM_NO_NEW_PRIVS, &isolation_means::syscalls},
    {"privileges", "no_new_privs", SIGRUN_SHIM_NO_NEW_PRIVS, nullptr},
};

const means_row& means_named(std::string_view name) {
    return *std::find_if(std::begin(k_means), std::end(k_means), [&](const means_row& r) { return r.name == name; });
}

// errno of making these name spaces, in a child that ends at once; 0: it can.
int trial(unsigned long flags) {
    int pidfd = -1;
    const pid_t child = sdk::copy_process(pidfd);
    if (child == 0) {
        int error = ::syscall(SYS_unshare, flags) == 0 ? 0 : errno;
        // It is worth nothing where it may not be set up.
        if (!error && (flags & CLONE_NEWNS) && ::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0)
            error = errno;
        ::syscall(SYS_exit_group, error);
    }
    if (child < 0) return errno;
    int status = 0;
    while (::waitpid(child, &status, __WALL) < 0 && errno == EINTR) {
    }
    if (pidfd >= 0) ::close(pidfd);
    return WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
}

std::string name_space(std::string_view what, unsigned long flags) {
    const int error = trial(flags);
    if (!error) return {};
    return sdk::concat("this runner may not make a ", what, " name space (", std::strerror(error),
                       error == EPERM ? "; it takes root, or the executor sandbox)" : ")");
}

bool below(const std::string& path, const std::string& folder) {
    return path == folder || (path.starts_with(folder) && (folder.back() == '/' || path[folder.size()] == '/'));
}

}  // namespace

isolation_means isolation_means::of_this_process() {
    isolation_means m;
    m.mounts = name_space("mount", CLONE_NEWNS);
    m.processes = m.mounts.empty() ? name_space("PID", CLONE_NEWPID) : m.mounts;
    m.network = name_space("network", CLONE_NEWNET);
    m.ipc = name_space("IPC", CLONE_NEWIPC);
    constexpr unsigned k_ask_version = 1;
    const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0UL, k_ask_version);
    if (version > 0)
        m.landlock_abi = static_cast<std::uint64_t>(version);
    else
        m.files = sdk::concat("this kernel has no Landlock (", std::strerror(errno), ")");
    m.syscalls = job_syscall_filter().why_not;
    return m;
}

const std::string& isolation_means::why_not(std::string_view name) const {
    static const std::string k_none;
    const auto& row = means_named(name);
    return row.why_not ? this->*(row.why_not) : k_none;
}

setting_plan plan_setting(const sdk::job_setting& wanted, const isolation_means& means,
                          const std::vector<std::string>& allowed) {
    setting_plan plan;
    for (const auto& row : sdk::k_job_isolation) {
        if (!(wanted.isolation.*(row.value)).value_or(false)) continue;
        const auto& how = means_named(row.name);
        const auto& why = means.why_not(row.name);
        if (why.empty()) {
            plan.shim.what |= how.what;
            plan.held.push_back({std::string(row.name), std::string(row.on), how.by, {}});
            continue;
        }
        plan.held.push_back({std::string(row.name), std::string(row.on), "none", why});
        if (wanted.isolation.required && plan.refusal.empty())
            plan.refusal = sdk::concat("this runner cannot hold isolation.", row.name, " = ", row.on, ": ", why,
                                       ". With isolation.enforce = best_effort the job would run without it");
    }
    for (const auto& path : wanted.isolation.writable) {
        const bool may =
            std::any_of(allowed.begin(), allowed.end(), [&](const auto& folder) { return below(path, folder); });
        if (!may)
            throw setting_refused{"isolation", sdk::concat("this runner's option writable does not allow ", path)};
        if (::access(path.c_str(), F_OK) != 0)
            throw setting_refused{"isolation", sdk::concat("isolation.writable: ", path, ": ", std::strerror(errno))};
        plan.writable.push_back(path);
    }
    if (plan.shim.what & SIGRUN_SHIM_FILTERED) plan.filter = job_syscall_filter().program;
    if (wanted.pty) {
        plan.shim.what |= SIGRUN_SHIM_PTY;
        plan.shim.rows = wanted.pty->rows;
        plan.shim.columns = wanted.pty->columns;
    }
    return plan;
}

void put_account(const account& who, const std::string& asked, setting_plan& plan) {
    // Whoever it is: no program that it starts makes it another one.
    plan.shim.what |= SIGRUN_SHIM_NO_NEW_PRIVS;
    if (::geteuid() == 0) {
        plan.shim.what |= SIGRUN_SHIM_AS_USER;
        plan.shim.uid = who.uid;
        plan.shim.gid = who.gid;
        plan.groups = who.groups;
    }
    plan.held.insert(plan.held.begin(),
                     {"user", asked, plan.shim.what & SIGRUN_SHIM_AS_USER ? "setuid" : "runner", {}});
}

std::string to_json(const std::vector<held_setting>& held) {
    if (held.empty()) return {};
    json::object all;
    for (const auto& one : held) {
        json::object o{{"value", one.value}, {"by", one.by}};
        if (!one.why.empty()) o["why"] = one.why;
        all[one.name] = std::move(o);
    }
    return json::serialize(all);
}

}  // namespace sigrun::process

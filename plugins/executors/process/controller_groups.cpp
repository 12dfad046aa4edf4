#include "controller_groups.hpp"

#include <sigrun/cpp/cgroup.hpp>
#include <sigrun/cpp/text.hpp>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>

namespace sigrun::process {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view k_names = "sigrun-limits-";
constexpr std::string_view k_agent = "/agent";  // the subgroup in the unit
constexpr std::string_view k_controllers[] = {"memory", "pids", "cpu"};
constexpr std::uint64_t k_period_us = 100'000;

constexpr std::size_t index_of(std::uint32_t which) {
    return which == SIGRUN_SHIM_BY_MEMORY ? 0 : which == SIGRUN_SHIM_BY_PIDS ? 1 : 2;
}

// O_CREAT: a recorded tree has no kernel that makes the files; in a real one it cannot make any.
bool put(const descriptor& folder, const char* file, const std::string& text) {
    descriptor f(::openat(folder.get(), file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    return f && ::write(f.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

bool has_word(std::string_view text, std::string_view word) {
    for (auto rest = sdk::trimmed(text); !rest.empty();) {
        auto end = rest.find_first_of(" \n");
        if (rest.substr(0, end) == word) return true;
        rest = end == rest.npos ? std::string_view() : rest.substr(end + 1);
    }
    return false;
}

job_cgroup make_group(const std::string& path) {
    if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return {};
    return {path, descriptor(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC))};
}

void remove_empty(const job_cgroup& one) noexcept {
    if (!one.path.empty()) ::rmdir(one.path.c_str());
}

}  // namespace

attempt_controllers::~attempt_controllers() {
    for (const auto& one : v1) remove_empty(one);
    remove_empty(v2);
}

controller_groups::controller_groups(bool wanted, std::string root) : root_(std::move(root)) {
    find(wanted);
    sweep();
}

void controller_groups::find(bool wanted) {
    if (!wanted) {
        for (auto& p : places_) p.why_not = "cgroups are switched off";
        return;
    }
    sdk::sysroot machine(root_);
    sdk::cgroup_view view(machine);
    for (std::size_t i = 0; i < places_.size(); ++i) {
        if (view.version(k_controllers[i]) != 1) continue;
        version_ = 1;
        auto own = root_ + view.chain(k_controllers[i]).front();
        if (::access(own.c_str(), W_OK) == 0)
            places_[i].folder = own;
        else
            places_[i].why_not = sdk::concat("no cgroup can be made in ", own);
    }
    auto own = view.chain("");
    if (version_ == 0 && !own.empty() && view.version("memory") == 2) look_for_v2(own.front());
    bool any = false;
    for (std::size_t i = 0; i < places_.size(); ++i) {
        auto& p = places_[i];
        any = any || !p.folder.empty();
        if (p.folder.empty() && p.why_not.empty())
            p.why_not = sdk::concat("this machine has no cgroup controller ", k_controllers[i]);
    }
    if (!any) version_ = 0;
}

void controller_groups::look_for_v2(const std::string& own) {
    sdk::sysroot machine(root_);
    auto base = own;
    // Only the top has no such file, and only the top may have processes beside groups with controllers.
    bool top = machine.probe(own + "/cgroup.type") == sdk::read_status::absent;
    if (!top && own.ends_with(k_agent)) base.resize(own.size() - k_agent.size());
    std::string why;
    if (!top && base == own)
        why = "the runner is not in a subgroup of its own (Delegate=yes and DelegateSubgroup=agent in its unit)";
    auto there = machine.read(base + "/cgroup.controllers");
    for (std::size_t i = 0; i < places_.size(); ++i) {
        auto& p = places_[i];
        std::string name(k_controllers[i]);
        if (!has_word(there.text, name)) {
            p.why_not = sdk::concat("the controller ", name, " is not delegated to ", base);
        } else if (!why.empty()) {
            p.why_not = why;
        } else {
            descriptor folder(::open((root_ + base).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
            bool on = has_word(machine.read(base + "/cgroup.subtree_control").text, name) ||
                      (folder && put(folder, "cgroup.subtree_control", "+" + name));
            if (on && ::access((root_ + base).c_str(), W_OK) == 0)
                p.folder = root_ + base;
            else
                p.why_not = sdk::concat("the controller ", name, " cannot be used below ", base);
        }
        if (!p.folder.empty()) version_ = 2;
    }
}

bool controller_groups::hold(const job_cgroup& in, std::uint32_t which, const sdk::job_limits& limits) const {
    const bool v1 = version_ == 1;
    if (which == SIGRUN_SHIM_BY_PIDS) return put(in.folder, "pids.max", std::to_string(*limits.pids));
    if (which == SIGRUN_SHIM_BY_CPUS) {
        auto quota = std::to_string(*limits.cpus * k_period_us / 1000);
        auto period = std::to_string(k_period_us);
        return v1 ? put(in.folder, "cpu.cfs_period_us", period) && put(in.folder, "cpu.cfs_quota_us", quota)
                  : put(in.folder, "cpu.max", quota + " " + period);
    }
    auto bytes = std::to_string(*limits.memory);
    if (!put(in.folder, v1 ? "memory.limit_in_bytes" : "memory.max", bytes)) return false;
    // What does not fit is not to be swapped out instead; a kernel without swap accounting has no such file.
    v1 ? put(in.folder, "memory.memsw.limit_in_bytes", bytes) : put(in.folder, "memory.swap.max", "0");
    return true;
}

attempt_controllers controller_groups::take(const sdk::job_limits& limits, std::string_view name) const {
    attempt_controllers made;
    if (version_ == 0) return made;
    auto full = sdk::concat("/", k_names, ::getpid(), "-", name);
    for (auto [which, wanted] : {std::pair{SIGRUN_SHIM_BY_MEMORY, limits.memory.has_value()},
                                 {SIGRUN_SHIM_BY_PIDS, limits.pids.has_value()},
                                 {SIGRUN_SHIM_BY_CPUS, limits.cpus.has_value()}}) {
        const auto at = index_of(static_cast<std::uint32_t>(which));
        if (!wanted || places_[at].folder.empty()) continue;
        auto path = places_[at].folder + full;
        if (version_ == 2) {
            if (!made.v2.folder) made.v2 = make_group(path);
            if (made.v2.folder && hold(made.v2, static_cast<std::uint32_t>(which), limits)) made.held |= which;
        } else {
            made.v1[at] = make_group(path);
            if (made.v1[at].folder && hold(made.v1[at], static_cast<std::uint32_t>(which), limits))
                made.held |= which | SIGRUN_SHIM_BY_V1;
            else
                remove_empty(std::exchange(made.v1[at], {}));
        }
    }
    if (made.held == 0) remove_empty(std::exchange(made.v2, {}));
    return made;
}

void controller_groups::sweep() const noexcept {
    for (std::size_t i = 0; i < places_.size(); ++i) {
        if (places_[i].folder.empty() || (i > 0 && places_[i].folder == places_[i - 1].folder)) continue;
        std::error_code ec;
        for (const auto& entry : fs::directory_iterator(places_[i].folder, ec)) {
            auto name = entry.path().filename().string();
            if (!name.starts_with(k_names)) continue;
            pid_t pid = 0;
            std::from_chars(name.data() + k_names.size(), name.data() + name.size(), pid);
            if (pid > 0 && pid != ::getpid() && ::kill(pid, 0) != 0 && errno == ESRCH) ::rmdir(entry.path().c_str());
        }
    }
}

std::string controller_groups::why_not(std::uint32_t which) const { return places_[index_of(which)].why_not; }

}  // namespace sigrun::process

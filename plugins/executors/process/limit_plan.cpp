#include "limit_plan.hpp"

#include <sigrun/cpp/text.hpp>

#include <boost/json.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

namespace sigrun::process {
namespace {

namespace json = boost::json;

constexpr std::string_view k_per_process = "RLIMIT_AS holds each process, not the job";
constexpr std::string_view k_per_user = "RLIMIT_NPROC counts every process of the user";

std::uint32_t controller_of(std::string_view name) {
    if (name == "memory") return SIGRUN_SHIM_BY_MEMORY;
    if (name == "pids") return SIGRUN_SHIM_BY_PIDS;
    return name == "cpus" ? SIGRUN_SHIM_BY_CPUS : 0;
}

held_limit held(std::string_view name, std::uint64_t value, std::uint32_t controllers) {
    if (name == "workspace") return {name, value, holder::watch, {}};
    const auto controller = controller_of(name);
    if (!controller) return {name, value, holder::rlimit, {}};
    if (controllers & controller)
        return {name, value, controllers & SIGRUN_SHIM_BY_V1 ? holder::cgroup_v1 : holder::cgroup_v2, {}};
    if (name == "memory" && (controllers & SIGRUN_SHIM_BY_AS))
        return {name, value, holder::rlimit, std::string(k_per_process)};
    if (name == "pids" && (controllers & SIGRUN_SHIM_BY_NPROC))
        return {name, value, holder::rlimit, std::string(k_per_user)};
    return {name, value, holder::none, {}};
}

std::uint64_t or_none(const std::optional<std::uint64_t>& n) { return n.value_or(SIGRUN_SHIM_NO_LIMIT); }

}  // namespace

std::string_view to_string(holder h) noexcept {
    switch (h) {
        case holder::cgroup_v2: return "cgroup_v2";
        case holder::cgroup_v1: return "cgroup_v1";
        case holder::rlimit: return "rlimit";
        case holder::watch: return "watch";
        case holder::engine: return "container";
        default: return "none";
    }
}

std::vector<held_limit> held_limits(const sdk::job_limits& limits, std::uint32_t controllers) {
    std::vector<held_limit> all;
    for (const auto& row : sdk::k_job_limits)
        if (const auto& value = limits.*(row.value)) all.push_back(held(row.name, *value, controllers));
    return all;
}

limit_plan plan_limits(const sdk::job_limits& limits, std::uint32_t by, const limit_rights& rights) {
    limit_plan plan;
    auto& s = plan.shim;
    s.address_space = s.processes = SIGRUN_SHIM_NO_LIMIT;
    if (limits.memory && !(by & SIGRUN_SHIM_BY_MEMORY)) {
        s.address_space = *limits.memory;
        by |= SIGRUN_SHIM_BY_AS;
    }
    if (limits.pids && !(by & SIGRUN_SHIM_BY_PIDS) && !rights.exempt) {
        s.processes = rights.user_tasks + *limits.pids;
        by |= SIGRUN_SHIM_BY_NPROC;
    }
    s.open_files = or_none(limits.open_files);
    s.file_size = or_none(limits.file_size);
    s.core = or_none(limits.core);
    s.workspace = limits.workspace.value_or(0);
    s.controllers = by;
    plan.limits = held_limits(limits, by);
    for (auto& one : plan.limits) {
        const auto controller = controller_of(one.name);
        const bool whole = one.by != holder::none && one.why.empty();
        if (whole || !controller) continue;
        auto why = rights.why_not ? rights.why_not(controller) : std::string();
        if (!why.empty()) one.why = one.why.empty() ? why : sdk::concat(one.why, "; ", why);
        if (limits.required && plan.refusal.empty())
            plan.refusal = sdk::concat("limits.enforce is required, and this runner cannot hold the job to limits.",
                                       one.name, one.why.empty() ? "" : ": ", one.why);
    }
    return plan;
}

std::string to_json(const std::vector<held_limit>& limits) {
    if (limits.empty()) return {};
    json::object all;
    for (const auto& one : limits) {
        json::object o;
        if (one.name == "cpus")
            o["limit"] = static_cast<double>(one.value) / 1000;
        else
            o["limit"] = one.value;
        o["by"] = to_string(one.by);
        if (!one.why.empty()) o["why"] = one.why;
        all[one.name] = std::move(o);
    }
    return json::serialize(all);
}

std::string size_text(std::uint64_t bytes) {
    static constexpr const char* k_units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (bytes < 1024) return sdk::concat(bytes, " B");
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    for (; value >= 1024 && unit < std::size(k_units) - 1; ++unit) value /= 1024;
    char text[32];
    std::snprintf(text, sizeof text, "%.1f %s", value, k_units[unit]);
    return text;
}

std::uint64_t count_own_tasks() {
    namespace fs = std::filesystem;
    std::uint64_t n = 0;
    std::error_code ec;
    const auto uid = ::getuid();
    for (const auto& entry : fs::directory_iterator("/proc", ec)) {
        auto name = entry.path().filename().string();
        if (name.find_first_not_of("0123456789") != std::string::npos) continue;
        struct stat about {};
        // A folder has a link to itself, one from above, and one from each folder in it.
        if (::stat((entry.path() / "task").c_str(), &about) == 0 && about.st_uid == uid && about.st_nlink > 2)
            n += about.st_nlink - 2;
    }
    return n;
}

}  // namespace sigrun::process

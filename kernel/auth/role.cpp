#include "kernel/auth/role.hpp"

#include <algorithm>
#include <array>

namespace sigrun {
namespace {

constexpr std::array<std::string_view, 5> k_names{"reader", "submitter", "runner", "admin", "operator"};

constexpr std::array<std::string_view, 7> k_permissions{"nothing", "read",    "submit",    "join",
                                                        "measure", "operate", "administer"};

constexpr std::array<std::string_view, 19> k_reads{"jobs.get",     "jobs.list",     "jobs.logs",      "jobs.explain",
                                                   "runners.list", "runners.get",   "runners.export", "plugins.list",
                                                   "plugins.get",  "events.watch",  "stats.get",      "metrics.get",
                                                   "version.get",  "health.ready",  "artifacts.list", "artifacts.read",
                                                   "methods.list", "stats.history", "demand.get"};
constexpr std::array<std::string_view, 4> k_submits{"jobs.submit", "jobs.submit_many", "jobs.cancel", "jobs.retry"};

// What plugins, configuration, tokens and the store are about stays with admins: it can make a daemon do anything.
constexpr std::array<std::string_view, 12> k_operates{"runners.add",         "runners.remove",      "runners.drain",
                                                      "runners.resume",      "runners.maintenance", "runners.migrate",
                                                      "runners.detect",      "runners.reload",      "balancers.record",
                                                      "balancers.recording", "balancers.recorded",  "probe.run"};

bool contains(const auto& list, std::string_view word) {
    return std::find(list.begin(), list.end(), word) != list.end();
}

}  // namespace

std::string_view to_string(role r) noexcept { return k_names[static_cast<std::size_t>(r)]; }

std::optional<role> parse_role(std::string_view text) noexcept {
    const auto at = std::find(k_names.begin(), k_names.end(), text);
    if (at == k_names.end()) return {};
    return static_cast<role>(at - k_names.begin());
}

std::string_view to_string(permission p) noexcept { return k_permissions[static_cast<std::size_t>(p)]; }

permission needed_for(std::string_view method) noexcept {
    if (method == "health.live") return permission::nothing;
    if (method == "runners.register") return permission::join;
    if (method == "path.measure") return permission::measure;
    if (contains(k_reads, method)) return permission::read;
    if (contains(k_submits, method)) return permission::submit;
    if (contains(k_operates, method)) return permission::operate;
    return permission::administer;
}

bool allows(role r, permission p) noexcept {
    if (r == role::admin || p == permission::nothing) return true;
    if (p == permission::read) return r == role::reader || r == role::submitter || r == role::fleet_operator;
    if (p == permission::submit) return r == role::submitter || r == role::fleet_operator;
    if (p == permission::operate) return r == role::fleet_operator;
    return r == role::runner && (p == permission::join || p == permission::measure);
}

std::string_view who_may(permission p) noexcept {
    switch (p) {
        case permission::nothing: return "anybody";
        case permission::read: return "role reader, submitter, operator or admin";
        case permission::submit: return "role submitter, operator or admin";
        case permission::operate: return "role operator or admin";
        case permission::join: return "role runner or admin";
        case permission::measure: return "role runner or admin, or the connection of a runner that is known";
        case permission::administer: break;
    }
    return "role admin";
}

bool matches_glob(std::string_view pattern, std::string_view text) noexcept {
    std::size_t p = 0, t = 0, star = std::string_view::npos, again = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            again = t;
        } else if (p < pattern.size() && pattern[p] == text[t]) {
            ++p;
            ++t;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            t = ++again;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') ++p;
    return p == pattern.size();
}

}  // namespace sigrun

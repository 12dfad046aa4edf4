// User namespaces: what the settings say, and what a trial says.
#include "security_probe.hpp"

#include <csignal>

namespace sigrun::security {
namespace {

using std::chrono::milliseconds;
constexpr std::uint32_t k_ttl_s = 600;
constexpr milliseconds k_longest_trial{500};

}  // namespace

void read_user_namespaces(const sdk::sysroot& root, sdk::fact_writer& facts) {
    const auto limit = root.read("/proc/sys/user/max_user_namespaces", 64);
    const sdk::fact_info info{.volatility = "slow", .ttl_s = k_ttl_s};
    const auto most = sdk::parse_u64(limit.text);
    if (!most) return facts.parsed<bool>("sec.userns_allowed", std::nullopt, limit, info);
    auto answer = [&](bool allowed, std::string_view source) {
        auto about = info;
        about.source = source;
        about.method = "derived";
        facts.ok("sec.userns_allowed", allowed, about);
    };
    if (*most == 0) return answer(false, limit.path);
    // Settings of Debian and Ubuntu; a kernel without them does not restrict further.
    for (const auto& [path, forbids] : {std::pair{"/proc/sys/kernel/unprivileged_userns_clone", false},
                                        std::pair{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", true}}) {
        const auto file = root.read(path, 64);
        if (file.status == sdk::read_status::absent) continue;
        const auto on = switch_of(file.text);
        if (!on) return facts.parsed<bool>("sec.userns_allowed", std::nullopt, file, info);
        if (*on == forbids) return answer(false, path);
    }
    answer(true, limit.path);
}

void try_user_namespaces(const machine_calls& calls, sdk::probe_run& run) {
    using kind = trial_outcome::kind;
    auto& facts = run.facts();
    sdk::fact_info info{.source = "unshare", .method = "measured", .volatility = "slow", .ttl_s = k_ttl_s};
    if (!calls.user_namespace) {
        info.detail = "not told by a file";
        return facts.none("sec.userns_works", "absent", info);
    }
    const auto outcome = calls.user_namespace(run.time_left(k_longest_trial));
    std::string detail;
    if (outcome.error && outcome.result != kind::killed) {
        char room[128] = {};
        detail = strerror_r(outcome.error, room, sizeof room);
    }
    switch (outcome.result) {
        case kind::works: return facts.ok("sec.userns_works", true, info);
        case kind::refused: detail = std::string(outcome.step) + ": " + detail; break;
        case kind::killed: detail = "the trial was ended by signal " + std::to_string(outcome.error); break;
        case kind::timed_out: detail = "the trial did not end in time"; break;
        case kind::stuck: detail = "an earlier trial has not ended"; break;
        case kind::not_started: detail = "no trial could be made: " + detail; break;
    }
    info.detail = detail;
    // A seccomp filter that kills the caller forbids it as well as one that refuses.
    if (outcome.result == kind::refused || (outcome.result == kind::killed && outcome.error == SIGSYS))
        return facts.ok("sec.userns_works", false, info);
    const bool late = outcome.result == kind::timed_out || outcome.result == kind::stuck;
    facts.none("sec.userns_works", late ? "timeout" : "error", info);
}

}  // namespace sigrun::security

// Balancers that choose among the others: what decide may write.
#include "made_up_classes.hpp"
#include "rig.hpp"

#include <sigrun/balancer.h>

#include <algorithm>
#include <vector>

namespace sigrun::check {
namespace {

using sdk::concat;

constexpr std::string_view k_decider = "sigrun.balancer/1";
constexpr std::uint32_t k_rounds = 60;
constexpr std::uint8_t k_untouched = 0xA5;
constexpr std::uint32_t k_all_ppm = 1'000'000;

/// What a window of a choice looked like; what is tried does better every other time, so that choices change.
void add_windows(std::vector<sigrun_policy_stats>& out, const sigrun_choice& choice, std::uint32_t round) {
    if (!choice.class_id) return;
    const double better = round / 8 % 2 ? 0.5 : 2;
    out.push_back({choice.class_id, choice.policy, 5000, 2, 1, 6, 1});
    if (choice.other) out.push_back({choice.class_id, choice.other, 500, 2 * better, 1, 6 * better, 1});
}

std::string wrong_part(const sigrun_choice& choice, const std::vector<sigrun_class_stats>& stats,
                       const std::vector<sigrun_policy_name>& policies) {
    const auto known = [&](std::uint32_t policy) {
        return std::any_of(policies.begin(), policies.end(), [&](const auto& p) { return p.policy == policy; });
    };
    if (std::none_of(stats.begin(), stats.end(), [&](const auto& s) { return s.class_id == choice.class_id; }))
        return concat("class ", choice.class_id, ", of which it was told nothing");
    if (!known(choice.policy)) return concat("policy ", choice.policy, ", which it was not given");
    if (choice.other && !known(choice.other)) return concat("other ", choice.other, ", which it was not given");
    if (choice.explore_ppm > k_all_ppm) return concat("explore_ppm ", choice.explore_ppm);
    if (choice.explore_ppm && !choice.other) return "explore_ppm without a policy that is tried";
    if (choice.priorities >> SIGRUN_PRIORITIES) return concat("priorities ", unsigned{choice.priorities});
    if (choice.why > SIGRUN_CHOICE_LOST) return concat("why ", unsigned{choice.why});
    return {};
}

void decisions(session& s) {
    s.report.begin("kind/decide-room");
    rig r(s);
    const auto* component = r ? r.component_of(k_decider) : nullptr;
    auto* instance = component ? r.running(*component) : nullptr;
    const auto* table = instance ? r.table<sigrun_balancer>(instance, *component) : nullptr;
    if (!table) return;
    if (!SIGRUN_HAS(table, decide)) {
        for (const auto rule : {"kind/decide-room", "kind/decide-known"})
            s.report.skip(rule, "it places jobs itself: no decide");
        return;
    }
    std::vector<sigrun_policy_name> policies;
    std::vector<sigrun_policy_stats> windows;
    for (std::uint32_t round = 0; round < k_rounds; ++round) {
        if (round == 0 || round == k_rounds / 2) {
            policies.assign(made_up_policies().begin() + (round != 0), made_up_policies().end());
            if (SIGRUN_HAS(table, policies))
                r.host().work("balancer.policies", [&] {
                    table->policies(instance, policies.data(), static_cast<std::uint32_t>(policies.size()));
                });
        }
        if (SIGRUN_HAS(table, observe) && !windows.empty())
            r.host().work("balancer.observe", [&] {
                table->observe(instance, windows.data(), static_cast<std::uint32_t>(windows.size()));
            });
        const auto stats = made_up_classes(round);
        const std::size_t room = stats.size() * SIGRUN_PRIORITIES;
        std::vector<sigrun_choice> choices(room + 1);
        choices[room].why = k_untouched;
        std::uint32_t n = 0;
        r.host().work("balancer.decide", [&] {
            n = table->decide(instance, stats.data(), static_cast<std::uint32_t>(stats.size()), choices.data());
        });
        if (n > room || choices[room].why != k_untouched)
            return s.report.fail("kind/decide-room",
                                 concat("at most ", room, " choices for ", stats.size(), " classes"),
                                 concat(n > room ? n : room + 1));
        windows.clear();
        for (std::uint32_t i = 0; i < n; ++i) {
            if (const auto wrong = wrong_part(choices[i], stats, policies); !wrong.empty())
                s.report.fail("kind/decide-known", "classes and policies that it was told of", wrong);
            add_windows(windows, choices[i], round);
        }
    }
    s.report.pass("kind/decide-room");
    s.report.pass_unless_told("kind/decide-known");
}

}  // namespace

std::vector<test> decider_tests() {
    return {{"decisions", {"kind/decide-room", "kind/decide-known"}, &decisions, k_decider}};
}

}  // namespace sigrun::check

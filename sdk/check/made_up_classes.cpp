#include "made_up_classes.hpp"

#include <sigrun/cpp/text.hpp>

#include <limits>

namespace sigrun::check {

const std::vector<sigrun_policy_name>& made_up_policies() {
    static const std::vector<sigrun_policy_name> policies = [] {
        std::vector<sigrun_policy_name> out;
        std::uint32_t id = 3;  // not from 1, and with gaps
        for (const auto name : {"performance", "idle_first", "least_connections", "round_robin"}) {
            out.push_back({sdk::str(name), sdk::str(name), id, 0});
            id += 2;
        }
        return out;
    }();
    return policies;
}

std::vector<sigrun_class_stats> made_up_classes(std::uint32_t round) {
    constexpr std::uint32_t k_classes = 40;
    constexpr double unknown = std::numeric_limits<double>::quiet_NaN();
    std::vector<sigrun_class_stats> out{{0, 0, 0, 1, unknown, unknown, unknown, unknown, 0, unknown}};
    for (std::uint32_t c = 0; c < round % (k_classes + 1); ++c) {
        const bool said = (c + round) % 2;
        out.push_back({1 + c * 7 + round / 20, c * 13, c * 13 * (1 + c % 5), 1 + c % 3, c % 11 / 10.0,
                       said ? c / 4.0 : unknown, said ? c / 100.0 : unknown, unknown, 0, said ? c * 1e4 : unknown});
    }
    return out;
}

}  // namespace sigrun::check

#include "bench/sim/policy.hpp"

#include "bench/sim/models.hpp"
#include "bench/sim/product_policy.hpp"

#include <algorithm>

namespace sigrun::sim {

const std::vector<policy_kind>& all_policies() {
    using origin = policy_kind::origin;
    static const std::vector<policy_kind> all = [] {
        std::vector<policy_kind> out{{"oracle", origin::bound, "one queue, the idle runner of the best true speed"}};
        for (const std::string& name : built_balancers())
            out.push_back({name, origin::product, "the plugin, in the kernel's selector"});
        out.push_back({"re:leastconn", origin::reimplemented, "fewest in flight, exact; queue at the runner"});
        out.push_back({"re:jiq", origin::reimplemented, "join the idle queue, else a random runner"});
        out.push_back({"re:p2c", origin::reimplemented, "two choices, weighted by base speed"});
        out.push_back({"re:peak_ewma", origin::reimplemented, "two choices by peak EWMA, tau 10 s"});
        out.push_back({"re:wrr", origin::reimplemented, "earliest deadline first, weighted by base speed"});
        return out;
    }();
    return all;
}

const policy_kind* find_policy(std::string_view name) {
    for (const policy_kind& p : all_policies())
        if (p.name == name) return &p;
    return nullptr;
}

std::vector<std::unique_ptr<policy>> make_policies(const policy_kind& kind, const regime& r,
                                                   std::vector<machine>& fleet, std::uint64_t seed) {
    using origin = policy_kind::origin;
    const std::uint32_t count = kind.from == origin::bound     ? 1
                                : kind.from == origin::product ? r.controllers
                                                               : std::max(r.controllers, r.dispatchers);
    std::vector<std::unique_ptr<policy>> out;
    for (std::uint32_t i = 0; i < count; ++i) {
        const std::uint64_t own = mixed(seed + i);
        out.push_back(kind.from == origin::product ? make_product_policy(kind.name, r, fleet, own)
                                                   : make_model(kind.name, r, fleet, own));
    }
    return out;
}

}  // namespace sigrun::sim

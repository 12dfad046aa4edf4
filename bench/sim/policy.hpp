// Who decides where a job goes. One object stands for one daemon, or one dispatcher of a re-implementation that shares
// nothing.
#pragma once

#include "bench/sim/fleet.hpp"
#include "bench/sim/workload.hpp"

#include <memory>
#include <string>
#include <vector>

namespace sigrun::sim {

constexpr std::uint32_t k_waits = ~0u;

/// What a dispatcher learns when an attempt is over.
struct outcome {
    std::uint32_t runner = 0;
    nanos now = 0;
    nanos waited = 0;  // at the runner
    nanos ran = 0;
    nanos away = 0;       // from the decision to this answer
    bool failed = false;  // by the runner's fault
    std::uint16_t thread = 0;
};

class policy {
public:
    virtual ~policy() = default;
    /// A runner, or k_waits: the job waits here until a place is free. `failed_on` are runners it is not to return to.
    virtual std::uint32_t place(const job& j, nanos now, const std::vector<std::uint32_t>& failed_on) = 0;
    virtual void done(const outcome& what) = 0;
};

struct policy_kind {
    enum class origin : std::uint8_t { product, reimplemented, bound };
    std::string name;
    origin from = origin::product;
    std::string about;
};

/// Of the product: every balancer plugin that is built. The oracle comes first.
const std::vector<policy_kind>& all_policies();
const policy_kind* find_policy(std::string_view name);

/// One per daemon (product), per dispatching thread (re-implementations), or one for all (oracle). `fleet` outlives them.
std::vector<std::unique_ptr<policy>> make_policies(const policy_kind& kind, const regime& r,
                                                   std::vector<machine>& fleet, std::uint64_t seed);

}  // namespace sigrun::sim

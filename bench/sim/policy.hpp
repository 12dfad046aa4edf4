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
constexpr nanos k_patience = k_second;  // no job waits longer than that because a policy likes it so

struct placement {
    std::uint32_t runner = k_waits;  // k_waits: the job waits here until a place is free
    std::uint8_t decided = 0;        // who, for `done`
    bool rather_waits = false;       // some place is free, but one that is worth waiting for is expected soon
};

/// What a dispatcher learns when an attempt is over.
struct outcome {
    std::uint32_t runner = 0;
    nanos now = 0;
    nanos waited = 0;  // at the runner
    nanos ran = 0;
    nanos away = 0;       // from the decision to this answer
    bool failed = false;  // by the runner's fault
    std::uint16_t thread = 0;
    std::uint8_t decided = 0;
    nanos queued = 0;  // from the arrival to the decision
    std::uint64_t key = 0;
};

class policy {
public:
    virtual ~policy() = default;
    /// `failed_on` are runners it is not to return to; a job that has failed, or waits for longer than k_patience, takes what
    /// it gets.
    virtual placement place(const job& j, nanos now, const std::vector<std::uint32_t>& failed_on) = 0;
    virtual void done(const outcome& what) = 0;
    /// So many jobs wait here now.
    virtual void waiting(std::uint32_t /*jobs*/) {}
    /// Once a second.
    virtual void tick(nanos) {}
    /// The age at which a job that begins now on this runner will be unusually old; 0 = never.
    virtual nanos doubt_after(std::uint32_t) { return 0; }
    /// It is, and still runs.
    virtual void doubt(std::uint32_t /*runner*/, nanos /*age*/, nanos /*now*/) {}
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

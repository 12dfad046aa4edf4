// How many jobs of each requirement wait for a runner, how many for something else, and how many are under way; counted when
// a job goes from one to the other, so that nobody who asks has to look at jobs or at the queue.
#pragma once

#include "kernel/job/wait_accounts.hpp"
#include "kernel/job/wait_ages.hpp"
#include "kernel/select/selector.hpp"

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

namespace sigrun {

/// As what a job counts.
enum class demand_kind : std::uint8_t {
    none,      // it has ended, or is about to be placed
    queued,    // it waits for a place: another runner would help
    delayed,   // not before its time
    blocked,   // for jobs it needs, or for its group
    retrying,  // for its backoff, or the retry budget
    running,   // a runner was offered it, or works on it
};
constexpr std::size_t k_demand_kinds = 6;

/// Jobs that are alike for whoever provides runners: one requirement and protocol, and of one queue and tenant, by which the
/// figures may be asked for. [any]
class demand_cell {
public:
    demand_cell(predicate_ptr pred, std::string kind, std::string protocol, account_ptr queue, account_ptr tenant)
        : pred_(std::move(pred)),
          kind_(std::move(kind)),
          protocol_(std::move(protocol)),
          queue_(std::move(queue)),
          tenant_(std::move(tenant)) {}

    const predicate_ptr& pred() const noexcept { return pred_; }
    const std::string& kind() const noexcept { return kind_; }  // of job
    const std::string& protocol() const noexcept { return protocol_; }
    const std::string& queue() const noexcept { return queue_->name; }
    const std::string& tenant() const noexcept { return tenant_->name; }

    /// One job more, and one less. `since`: it waits for a place. `picky`: the free places there are may not suit it, since
    /// some runners must not get it. Of the kind `queued` alone.
    void enter(demand_kind as, wait_ages::step since, bool picky);
    void leave(demand_kind as, wait_ages::step since, bool picky) noexcept;

    struct reading {
        std::array<std::uint64_t, k_demand_kinds> jobs{};
        std::uint64_t of(demand_kind k) const noexcept { return jobs[static_cast<std::size_t>(k)]; }
        std::uint64_t waited = 0;  // of the queued, those that wait since `then` or earlier
        std::uint64_t picky = 0;   // of the queued
        time_point oldest = time_point::max();
        bool empty() const noexcept;
    };
    reading read(time_point then) const;
    bool idle() const noexcept;

private:
    const predicate_ptr pred_;
    const std::string kind_, protocol_;
    const account_ptr queue_, tenant_;
    std::array<std::atomic<std::uint32_t>, k_demand_kinds> jobs_{};
    std::atomic<std::uint32_t> picky_{0};
    mutable std::mutex mutex_;
    wait_ages ages_;
};
using demand_ptr = std::shared_ptr<demand_cell>;

/// The cells that some job's document holds. [any]
class demand_board {
public:
    /// `kind`: that of the job, which `pred` asks for.
    demand_ptr of(const predicate_ptr& pred, const std::string& kind, const std::string& protocol,
                  const account_ptr& queue, const account_ptr& tenant);
    /// Those that count some job.
    std::vector<demand_ptr> busy() const;

private:
    // The cell holds all of them: as long as it lives, nobody else has these addresses and numbers.
    using key = std::tuple<const predicate*, std::uint32_t, std::uint32_t, std::string>;
    struct key_hash {
        std::size_t operator()(const key& k) const noexcept;
    };
    struct shard {
        mutable std::mutex mutex;
        std::unordered_map<key, std::weak_ptr<demand_cell>, key_hash> cells;
        std::size_t sweep_at = 64;
    };
    std::array<shard, 16> shards_;
};

/// What a job counts as, in the cell of its document: eight bytes of it. Under its lock. Whoever has one moves it to `none` at last.
class demand_place {
public:
    /// As enter; nothing happens if it is there already. `in` is always the same one; null: it is not counted.
    void move(demand_cell* in, demand_kind to, time_point since = {}, bool picky = false);
    demand_kind now() const noexcept { return as_; }

private:
    wait_ages::step since_ = 0;
    demand_kind as_ = demand_kind::none;
    bool picky_ = false;
};

}  // namespace sigrun

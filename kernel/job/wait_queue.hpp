// Jobs that wait for a place. A freed place asks only for what it can serve, at a cost that does not grow with the jobs and
// hardly with the requirements that wait:
//
//   lane    jobs of equal requirement, allowed protocols, source and balancer: a runner can serve all of them or none, and
//           one that would rather wait for another place speaks for all; a job that some runners must not get has one for
//           itself
//   group   runners of one kind. Which lanes it can serve is kept, and judged again only where an answer has changed or a
//           lane is new.
//   band    priority; a waiting job rises by one band each time it has waited for `ageing`, never into the first
//   flow    what one tenant has waiting in a band
//
// Order: band; then weighted deficit round robin over tenants (Shreedhar and Varghese; each job counts one, so the deficit
// is what is left of the tenant's turn), each group of runners with turns of its own, so that a tenant's jobs elsewhere do
// not count against those that wait for these runners; then the earliest deadline; then age.
#pragma once

#include "kernel/base/clock.hpp"
#include "kernel/job/lane_set.hpp"
#include "kernel/job/wait_accounts.hpp"
#include "kernel/select/selector.hpp"

#include <boost/intrusive/set.hpp>

#include <array>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_map>
#include <vector>

namespace sigrun {

/// As what a job waits.
struct wait_terms {
    predicate_ptr pred;
    protocol_mask protocols = 0xffff;  // that it allows
    account_ptr tenant;
    std::uint8_t band = 2;  // 0 first
    time_point since{};     // it has waited
    time_point deadline = time_point::max();
    std::uint64_t seq = 0;              // age among equals; unique
    std::vector<std::uint32_t> not_on;  // slots of runners that must not get it; few jobs have some
    std::uint32_t source = 0;           // zone it comes from
    std::uint16_t balancer = 0;         // that picks for it
};

/// The base of what can wait. The queue's own; under its lock. It has its places in the queue in itself: there may be millions.
class waiter {
public:
    waiter() = default;
    waiter(const waiter&) = delete;
    waiter& operator=(const waiter&) = delete;

protected:
    ~waiter() = default;

private:
    friend class wait_queue;
    using hook = boost::intrusive::set_member_hook<boost::intrusive::optimize_size<true>>;
    hook in_line_, in_rising_;
    std::shared_ptr<waiter> self_;    // while it is queued
    wait_account* tenant_ = nullptr;  // held by its flow
    time_point since_{}, deadline_{}, rises_at_ = time_point::max();
    std::uint64_t seq_ = 0;
    std::uint32_t lane_ = 0;
    std::uint8_t own_band_ = 0;  // that of its terms
    std::uint8_t band_ = 0;      // it has risen to
    bool queued_ = false;
};
using waiter_ptr = std::shared_ptr<waiter>;

/// Where a job stands among those of its lane.
struct place_in_line {
    std::uint8_t band = 0;                      // it has risen to
    time_point rises_at = time_point::max();    // to the next
    std::size_t before = 0;                     // jobs that come first: of higher bands, and earlier ones of its tenant
    std::size_t others = 0, other_tenants = 0;  // in its band, jobs of tenants that it takes turns with
    std::size_t turns_before = 0;               // of others, those that come first if every tenant had its turns
};

/// A free place on a runner, as the queue asks about it.
class free_place {
public:
    virtual ~free_place() = default;
    virtual selector::group_ref group() const = 0;
    virtual bool open_over(protocol_mask allowed) const = 0;
    /// No: nobody in the group matches.
    virtual bool group_may_match(const predicate& p) const = 0;
    virtual bool matches(const predicate& p) const = 0;
    virtual bool is_one_of(const std::vector<std::uint32_t>& slots) const = 0;
};

/// Lanes whose jobs would rather wait for another place than take the one that is given away now.
class passed_lanes {
public:
    std::size_t size() const noexcept { return lanes_.size(); }
    void clear() noexcept { lanes_.clear(); }

private:
    friend class wait_queue;
    std::vector<std::pair<std::uint32_t, std::uint64_t>> lanes_;  // number and birth
};

/// [any]
class wait_queue {
public:
    static constexpr std::size_t k_bands = 5;

    wait_queue();
    ~wait_queue();
    void push(const waiter_ptr& w, wait_terms terms);
    void remove(waiter& w);
    /// The one whose turn it is of those that the place suits, taken out of the queue.
    waiter_ptr pop(const free_place& place, time_point now, const passed_lanes& but = {});
    /// The lane that it waits in, if it does.
    void pass(const waiter& w, passed_lanes& into) const;
    std::size_t size() const noexcept { return size_.load(std::memory_order_relaxed); }
    std::vector<waiter_ptr> all() const;
    /// Nothing if it does not wait here. Counts at most `most` jobs of its own tenant.
    std::optional<place_in_line> place_of(const waiter& w, std::size_t most = 10'000) const;
    /// One of up to `limit` lanes each, beginning where the last call ended.
    std::vector<waiter_ptr> heads(std::size_t limit);
    /// 0: nobody rises.
    void set_ageing(nanoseconds step);

private:
    using order = std::pair<time_point, std::uint64_t>;  // deadline, age
    struct earlier {
        bool operator()(const waiter& a, const waiter& b) const noexcept { return order_of(a) < order_of(b); }
    };
    struct rises_earlier {
        bool operator()(const waiter& a, const waiter& b) const noexcept { return a.rises_at_ < b.rises_at_; }
    };
    template <class Order, waiter::hook waiter::*Hook>
    using waiters = boost::intrusive::multiset<waiter, boost::intrusive::member_hook<waiter, waiter::hook, Hook>,
                                               boost::intrusive::compare<Order>>;
    using line = waiters<earlier, &waiter::in_line_>;
    // Last: of the only job of a lane whose job some runners must not get, else 0.
    using lane_key = std::tuple<const predicate*, protocol_mask, std::uint32_t, std::uint16_t, std::uint64_t>;
    struct lane_hash {
        std::size_t operator()(const lane_key& k) const noexcept;
    };
    struct lane;
    struct flow;
    struct band;
    struct turn {
        std::uint32_t tenant = 0, left = 0;
    };
    struct group {
        std::uint64_t answers = 0;  // of the selector, when it was judged
        std::uint64_t judged = 0;   // the youngest lane that was
        lane_set lanes;
        std::array<turn, k_bands> turns{};
    };
    using candidate = std::pair<order, std::uint32_t>;  // the first of a flow in that lane

    static order order_of(const waiter& w) noexcept { return {w.deadline_, w.seq_}; }
    std::uint32_t lane_of(const wait_terms& terms);
    void forget_idle_lanes();
    void forget_lane(std::uint32_t number);
    void insert(waiter& w, const account_ptr& tenant);
    waiter_ptr take(waiter& w);
    void plan_rise(waiter& w);
    void rise(time_point now);
    group& judged_group(const free_place& place);
    void usable_lanes(const group& g, const free_place& place);
    flow* next_flow(band& b, std::size_t number, std::uint32_t from, bool and_from);
    waiter* first_that_fits(flow& f, const free_place& place);
    bool fits(std::uint32_t number, const free_place& place);
    waiter* pop_band(std::size_t number, turn& t, const free_place& place);

    mutable std::mutex mutex_;
    std::vector<std::unique_ptr<lane>> lanes_;  // by number; null: free
    std::vector<std::uint32_t> free_lanes_;
    std::unordered_map<lane_key, std::uint32_t, lane_hash> lane_numbers_;
    std::map<protocol_mask, lane_set> lanes_allowing_;
    std::list<std::uint32_t> by_birth_;
    std::uint64_t births_ = 0;
    std::deque<std::pair<std::uint32_t, std::uint64_t>> idle_lanes_;  // number and birth of those that ran empty
    std::array<std::unique_ptr<band>, k_bands> bands_;
    std::unordered_map<std::uint32_t, group> groups_;
    waiters<rises_earlier, &waiter::in_rising_> rising_;
    nanoseconds ageing_{0};
    std::uint32_t cursor_ = 0;
    lane_set usable_;  // of the pop that runs
    lane_set open_;
    std::vector<candidate> candidates_;
    std::atomic<std::size_t> size_{0};
};

}  // namespace sigrun

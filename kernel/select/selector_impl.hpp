// The parts of a selector and how they share work. Only what is marked [one writer] changes membership, under
// `mutex`.
#pragma once

#include "kernel/select/balancer_set.hpp"
#include "kernel/select/cohort_table.hpp"
#include "kernel/select/predicate_table.hpp"
#include "kernel/select/selector.hpp"
#include "kernel/select/slot_index.hpp"

#include <array>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace sigrun {

/// Pages per protocol, so that a request that allows only some of them can be narrowed before a balancer sees
/// it.
class protocol_pages {
public:
    explicit protocol_pages(std::uint32_t page_words);
    void set(std::uint32_t page, protocol_mask protocols, bool present) noexcept;
    /// True if every page in use has some protocol of the mask.
    bool all_suit(protocol_mask allowed) const noexcept { return allowed == 0xffff && !without_.load(); }
    std::uint64_t word(std::uint32_t w, protocol_mask allowed) const noexcept;

private:
    std::array<std::vector<atomic_word>, 16> pages_;
    std::atomic<std::uint32_t> without_{0};  // pages of runners that have no protocol at all
};

struct selector::impl {
    impl(const options& o, std::unique_ptr<balancer_set> set);

    // -- membership.cpp [one writer]
    // --------------------------------------------------------------------------------
    result<slot_ref> add(const runner_profile& profile);
    result<slot_ref> update(slot_ref s, const runner_profile& profile);
    void remove(slot_ref s);
    void set_open(slot_ref s, bool open);
    result<std::uint32_t> settle_in(const runner_profile& profile);
    void vacate(std::uint32_t slot);
    void bury_tombstones();
    void publish(std::initializer_list<std::uint32_t> pages);
    std::uint64_t change(std::uint32_t slot, std::uint64_t set, std::uint64_t clear) noexcept;
    bool owns(slot_ref s) const noexcept;

    // -- judging.cpp [one writer]
    // -----------------------------------------------------------------------------------
    predicate_ptr intern(const requirement_ptr& r);
    void judge_page(predicate& p, std::uint32_t page);
    bool judge_slot(predicate& p, std::uint32_t slot);
    void refresh(predicate& p, bool known = true);
    match_subject subject(std::uint32_t slot) const;

    // -- claim.cpp [any]
    // --------------------------------------------------------------------------------------------
    struct claimed {
        bool done = false;
        std::uint8_t generation = 0, tier = 0;
    };
    claimed claim(const pick_request& r, std::uint32_t slot) noexcept;
    bool release(slot_ref s) noexcept;
    void claim_existing(slot_ref s) noexcept;
    std::uint32_t in_flight(slot_ref s) const noexcept;
    /// Follows moves to where the runner of `s` is now; slot ~0 if it is gone.
    slot_ref resolve(slot_ref s) const noexcept;
    /// The same for a bare slot number, which may be anything.
    std::uint32_t current_slot(std::uint32_t slot) const noexcept;

    // -- pick.cpp, fallback.cpp [any]
    // -------------------------------------------------------------------------------
    pick_result pick(const pick_request& r) noexcept;
    bool ask_balancer(const balancer_set& set, const pick_request& r, dispatcher& d, const std::uint64_t* pages,
                      std::uint16_t want, pick_result& out) noexcept;
    bool fall_back(const pick_request& r, dispatcher& d, const std::uint64_t* pages, pick_result& out) noexcept;
    pick_outcome why_none(const pick_request& r) const noexcept;
    sigrun_view describe() const noexcept;
    std::int64_t now_ns() const noexcept;
    std::int64_t wall_ns() const noexcept;
    const std::uint64_t* feasible_pages(const pick_request& r, dispatcher& d) const noexcept;
    void fill(pick_result& out, const pick_request& r, std::uint32_t slot, const claimed& c) const noexcept;

    // -- balancers.cpp
    // ----------------------------------------------------------------------------------------------
    result<std::unique_ptr<balancer_set>> fit(result<std::unique_ptr<balancer_set>> set) const;
    bool publish_balancers(std::unique_ptr<balancer_set> set, const instance* fresh, std::unique_lock<std::mutex> lock);
    result<void> add_balancer(const std::shared_ptr<instance>& now);
    result<void> remove_balancer(const std::shared_ptr<instance>& old);
    bool replace(const std::shared_ptr<instance>& old, const std::shared_ptr<instance>& now);

    // -- explain.cpp
    // ------------------------------------------------------------------------------------------------
    explanation explain(const requirement& r) const;
    std::uint64_t repairs() noexcept;
    std::uint64_t faults() const;

    const std::uint32_t max_runners;
    const clock* const time;  // null: the system's
    const std::uint64_t seed;
    // Read inside a read_section, or under the mutex; replaced under the mutex.
    std::atomic<balancer_set*> balancers;
    std::unique_ptr<balancer_set> owned_balancers;
    // By id - 1. Only ever more, and the first `n_balancers` never change: read without a lock.
    std::array<std::string, 256> balancer_names;
    std::atomic<std::size_t> n_balancers{0};
    const bool levels;  // the index keeps the level planes
    slot_index index;
    protocol_pages protocols;
    std::vector<atomic_word> answers;  // by page: how often some predicate's bit of it has changed
    // What views are made of.
    std::atomic<std::uint64_t> epoch{1};
    std::atomic<std::uint32_t> n_pages{0}, n_cohorts{0};

    mutable std::mutex mutex;
    cohort_table cohorts;
    predicate_table predicates;
    std::unordered_map<std::uint32_t, runner_profile> profiles;  // by slot
    std::atomic<std::size_t> n_runners{0};
    std::vector<std::uint32_t> tombstones;  // slots of runners that moved, until their claims are released

    struct suspect {
        std::uint32_t slot;
        std::uint64_t word;
    };
    std::vector<suspect> suspects;
    std::uint32_t sweep_page = 0;  // where the next sweep begins
    std::chrono::steady_clock::time_point last_sweep{};
    std::atomic<std::uint64_t> n_repairs{0};
};

}  // namespace sigrun

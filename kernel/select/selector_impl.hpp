// The parts of a selector and how they share work. Only what is marked [one writer] changes membership, under
// `mutex`.
#pragma once

#include "kernel/select/ageing.hpp"
#include "kernel/select/balancer_set.hpp"
#include "kernel/select/cohort_table.hpp"
#include "kernel/select/fleet_survey.hpp"
#include "kernel/select/handover_mutex.hpp"
#include "kernel/select/label_pool.hpp"
#include "kernel/select/pick_timer.hpp"
#include "kernel/select/predicate_table.hpp"
#include "kernel/select/recording/recorder.hpp"
#include "kernel/select/selector.hpp"
#include "kernel/select/slot_index.hpp"
#include "kernel/select/subjects.hpp"
#include "kernel/select/zones.hpp"

#include <array>
#include <atomic>
#include <mutex>
#include <vector>

namespace sigrun {

/// Pages per protocol, so that a request that allows only some of them can be narrowed before a balancer sees
/// it.
class protocol_pages {
public:
    explicit protocol_pages(std::uint32_t page_words);
    void set(std::uint32_t page, protocol_mask protocols, bool present) noexcept;
    std::uint64_t word(std::uint32_t w, protocol_mask allowed) const noexcept;

private:
    std::array<std::vector<atomic_word>, 16> pages_;
};

struct term_verdicts;  // explain.cpp

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
    void forget_page(std::uint32_t page);
    std::shared_ptr<const label_map> shared(const std::shared_ptr<const label_map>& labels);
    void inherit(std::uint32_t from, slot_ref to, const runner_profile& profile);
    void bury_tombstones();
    void publish(std::initializer_list<std::uint32_t> pages);
    std::uint64_t change(std::uint32_t slot, std::uint64_t set, std::uint64_t clear) noexcept;
    bool owns(slot_ref s) const noexcept;
    void count_open(std::uint32_t slot, int change) noexcept;

    // -- judging.cpp [one writer], but intern, judge_slots and still_matches
    // -----------------------------------------------------------------------------------
    predicate_ptr intern(const requirement_ptr& r);
    static predicate::page_kind judge_kind(const predicate& p, const cohort& c);
    void judge_page(predicate& p, std::uint32_t page);
    bool judge_slot(predicate& p, std::uint32_t slot);
    void judge_slots(predicate& p);
    bool judge_aged(std::size_t most);
    void judge_a_few_aged();
    bool still_matches(predicate& p, std::uint32_t slot) noexcept;

    // -- selector_zones.cpp [any]
    // -----------------------------------------------------------------------------------------
    std::uint16_t zone_at(std::uint32_t slot) const noexcept;

    // -- claim.cpp [any]
    // --------------------------------------------------------------------------------------------
    struct claimed {
        bool done = false;
        std::uint8_t generation = 0, tier = 0;  // the plane it was found in
        bool aged = false;                      // not claimed because its facts are too old by now
    };
    /// If the slot is in one of the first `planes` planes of the tiers.
    claimed claim(const pick_request& r, std::uint32_t slot, int planes) noexcept;
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
    bool ask_balancer(const balancer_set& set, std::size_t which, const pick_request& r, dispatcher& d,
                      const std::uint64_t* pages, std::uint16_t want, pick_result& out) noexcept;
    bool fall_back(const pick_request& r, dispatcher& d, const std::uint64_t* pages, int planes,
                   pick_result& out) noexcept;
    /// Some runner that matches can take a job now, and balancers see it.
    bool some_free(const pick_request& r, const std::uint64_t* pages, const dispatcher& d) const noexcept;
    bool could_run(const pick_request& r) const noexcept;
    pick_outcome why_none(const pick_request& r) const noexcept;
    sigrun_view describe() const noexcept;
    std::int64_t now_ns() const noexcept;
    std::int64_t wall_ns() const noexcept;
    const std::uint64_t* feasible_pages(const pick_request& r, dispatcher& d) const noexcept;
    void fill(pick_result& out, const pick_request& r, std::uint32_t slot, const claimed& c) const noexcept;

    // -- feedback.cpp [any]
    // ---------------------------------------------------------------------------------------
    void feedback(const job_feedback& f, std::uint16_t balancer) noexcept;
    void tell_balancer(const job_feedback& f, std::uint32_t slot, std::uint16_t balancer) noexcept;
    void straggler(slot_ref s, const predicate& pred, nanoseconds age) noexcept;
    void set_cost(slot_ref s, std::uint32_t cost) noexcept;
    bool change_flags(slot_ref s, std::uint64_t set, std::uint64_t clear) noexcept;
    runner_standing standing(slot_ref s) const noexcept;

    // -- protection.cpp [any]
    // -------------------------------------------------------------------------------------
    void begin_slowly(slot_ref s) noexcept;
    std::int64_t slow_start() const noexcept { return all_begin.load() ? 0 : slow_start_ns.load(); }
    void count_beginners() noexcept;
    void eject(slot_ref s, ejection_cause why) noexcept;
    std::vector<ejection> tick();
    std::vector<balancer_suspension> look_at_balancers();
    void protect(const protection& now);
    void look_at_ejected(std::int64_t now, const protection& by);
    void look_at_beginners(std::int64_t now);
    // -- census.cpp
    // -----------------------------------------------------------------------------------------------
    struct census {
        std::uint64_t runners = 0, able = 0;  // that match; of them, open and not ejected
        std::uint64_t places = 0, taken = 0;  // of those that are able
    };
    census count(const predicate& pred) const noexcept;
    double load(predicate& pred) const noexcept;
    bool panics(predicate& pred) noexcept;
    void look_for_panic(std::int64_t now);
    void look_at_some(std::int64_t now, const protection& by);

    // -- supply.cpp
    // -----------------------------------------------------------------------------------------------
    void suppliers(const predicate& pred, protocol_mask allowed, const std::function<void(const supplier&)>& see) const;
    bool known_to_match(const predicate& pred) const noexcept;

    // -- choosing.cpp
    // ----------------------------------------------------------------------------------------------
    /// [any] Who picks where `named` chooses among the others, else `named`; size() if there is none.
    std::size_t decider(const balancer_set& set, const pick_request& r, dispatcher& d, std::size_t named) noexcept;
    /// [any]
    void note_outcome(const job_feedback& f, std::uint16_t policy) noexcept;
    struct class_report {
        std::vector<sigrun_class_stats> classes;
        std::vector<sigrun_policy_stats> windows;
    };
    void choose_policies(std::int64_t now);
    class_report look_at_classes(std::int64_t now, bool window_over);
    std::vector<sigrun_choice> ask_chooser(const class_report& report);
    void put(class_policies& own, const predicate& p, const sigrun_choice& c, std::int64_t now);
    policy_standing policy_of(const predicate& pred) const;

    // -- balancers.cpp
    // ----------------------------------------------------------------------------------------------
    result<std::unique_ptr<balancer_set>> fit(result<std::unique_ptr<balancer_set>> set) const;
    bool publish_balancers(std::unique_ptr<balancer_set> set, const instance* fresh,
                           std::unique_lock<handover_mutex> lock);
    result<void> add_balancer(const std::shared_ptr<instance>& now);
    result<void> remove_balancer(const std::shared_ptr<instance>& old);
    bool replace(const std::shared_ptr<instance>& old, const std::shared_ptr<instance>& now);

    // -- recording.cpp
    // ----------------------------------------------------------------------------------------------
    /// The recorder if this thread's picks with this balancer go through it. In a read_section.
    pick_recorder* recorder_for(const dispatcher& d, const loaded_balancer& b) const noexcept;
    result<void> start_recording(std::string_view balancer, pick_recorder::limits most);
    result<std::string> end_recording();

    // -- explain.cpp
    // ------------------------------------------------------------------------------------------------
    explanation explain(const requirement& r, const explain_terms& asked) const;
    void explain_page(std::uint32_t page, std::uint64_t live, const requirement& r, const term_verdicts& kind,
                      const explain_terms& asked, explanation& out, std::vector<slot_ref>& out_now) const;
    void sort_in(explanation& out, const explain_terms& asked, slot_ref at, std::uint64_t w, page_facts page) const;
    void list_absences(explanation& out, const std::vector<slot_ref>& out_now) const;
    std::uint64_t repairs() noexcept;
    std::uint64_t faults() const;

    // -- sights.cpp
    // -----------------------------------------------------------------------------------------------
    sight sight_of(std::uint32_t slot, slot_ref picked) const noexcept;
    sights look_around(const predicate& pred, protocol_mask allowed, slot_ref picked, std::size_t most,
                       std::uint64_t random) const;

    const std::uint32_t max_runners;
    const clock* const time;  // null: the system's
    const std::uint64_t seed;
    const std::uint32_t* const stands_for;
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
    std::atomic<std::uint64_t> epoch{1}, layout{1};
    std::atomic<std::uint32_t> n_pages{0}, n_cohorts{0};

    mutable handover_mutex mutex;
    zone_board zones;
    cohort_table cohorts;
    predicate_table predicates;
    slot_subjects subjects;
    label_pool pool;
    ageing ages;
    std::atomic<std::size_t> n_runners{0};
    std::vector<std::uint32_t> tombstones;  // slots of runners that moved, until their claims are released
    std::size_t next_tombstone = 0;         // to be looked at

    std::atomic<std::int64_t> slow_start_ns{0};
    std::atomic<bool> all_begin{false};  // most runners are new: none of them is treated as such
    std::atomic<std::uint32_t> failures_in_a_row{0};
    std::atomic<double> panic_below{0};
    fleet_estimate fleet;
    std::atomic<std::size_t> n_ejected{0};
    mutable std::mutex protecting;  // what follows; of both, `mutex` first
    protection rules;
    struct absentee {
        slot_ref where;
        std::int64_t until_ns = 0;
        ejection told{};
    };
    std::vector<absentee> ejected;
    std::vector<slot_ref> beginners;  // in their slow start
    std::vector<ejection> untold;
    fleet_survey survey;  // tick alone

    policy_choices usual_choice{};      // of requirements without jobs so far
    std::atomic<bool> choosing{false};  // some job was for a balancer that chooses
    std::atomic<bool> switching{true}, geographic{false};
    std::atomic<bool> retell{false};   // whom it can choose
    std::int64_t window_began_ns = 0;  // tick alone, as the next
    std::uint64_t told_set = 0;
    std::vector<policy_switch> untold_switches;  // under `mutex`

    struct taping {
        std::shared_ptr<instance> balancer;  // outlives its recorder
        std::unique_ptr<pick_recorder> by;
    };
    std::unique_ptr<taping> owned_taping;
    std::atomic<taping*> now_taping{nullptr};  // read inside a read_section

    struct suspect {
        std::uint32_t slot;
        std::uint64_t word;
    };
    std::vector<suspect> suspects;
    pick_timer times;
    std::uint32_t sweep_page = 0;  // where the next sweep begins
    std::chrono::steady_clock::time_point last_sweep{};
    std::atomic<std::uint64_t> n_repairs{0};
};

}  // namespace sigrun

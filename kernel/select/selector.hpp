// From a requirement to a claimed place on a runner: cohorts, pages, tiers (selection.md sections 1 and 2),
// the balancer plugins, and the built-in two-choice fallback.
//
// pick, release and feedback are [any] and lock-free after the first use of a predicate and of a thread; add,
// update, remove and set_open are serialised inside. Memory for max_runners is reserved at construction;
// untouched parts stay unmapped.
#pragma once

#include "kernel/base/clock.hpp"
#include "kernel/plugin/plugin_host.hpp"
#include "kernel/select/balancer_conduct.hpp"
#include "kernel/select/estimate.hpp"
#include "kernel/select/pick_timer.hpp"
#include "kernel/select/policy_choice.hpp"
#include "kernel/select/requirement.hpp"
#include "kernel/select/zones.hpp"

#include <sigrun/balancer.h>

#include <functional>
#include <memory>
#include <vector>

namespace sigrun {

/// Protocol ids are bit positions: 0 valkyrie, 1 grpc, 2 http, 3 websocket, then in order of registration.
using protocol_mask = std::uint16_t;

/// What selection knows of a runner.
struct runner_profile {
    sheet_ptr facts;
    std::shared_ptr<const label_map> labels;
    protocol_mask protocols = 0;
    std::uint16_t places = 1;
    std::uint16_t weight = 1024;  // 1024 = 1.0
    std::uint64_t identity = 0;   // the same for the same runner, also in another slot or after a restart
};

/// A runner in the index. The generation tells a reused slot from the old one.
struct slot_ref {
    std::uint32_t slot = ~0u;
    std::uint8_t generation = 0;
    friend bool operator==(const slot_ref&, const slot_ref&) = default;
};

/// An interned requirement; hold it while jobs use it.
class predicate;
using predicate_ptr = std::shared_ptr<predicate>;

enum class pick_outcome : std::uint8_t {
    picked,         // the place is claimed: release it exactly once
    queued,         // some runner matches, none has a free place now
    unschedulable,  // no runner matches but excluded ones
};
struct pick_request {
    predicate* pred = nullptr;
    protocol_mask protocols = 0xffff;
    std::uint16_t priority = 2;
    std::uint16_t balancer = 0;               // from balancer_id; 0 = default
    std::uint64_t affinity_key = 0;           // jobs with the same one prefer the same runner; 0 = none
    const std::uint32_t* excluded = nullptr;  // slots that must not be picked (retries)
    std::uint32_t n_excluded = 0;
    std::uint32_t source_zone = 0;  // from zone_source
    bool may_wait = false;          // if the balancer thinks that waiting costs less than what is free
};
/// 16 bytes kept with the attempt.
struct explain_record {
    std::uint32_t slot, pred_id;
    std::uint16_t score;
    std::uint8_t policy, protocol, reason, tier, rank, confidence;
};
struct pick_result {
    pick_outcome outcome = pick_outcome::unschedulable;
    slot_ref slot;
    explain_record explain{};
    /// Nothing was claimed because the balancer thinks that waiting costs less than what is free.
    bool rather_waits() const noexcept { return outcome == pick_outcome::queued && explain.reason == SIGRUN_WHY_WAIT; }
};

/// What became of a pick.
struct job_feedback {
    slot_ref slot;
    predicate* pred = nullptr;
    job_end end;
    std::uint64_t queued_us = 0;     // from submit to offer
    std::uint64_t affinity_key = 0;  // as in pick_request
    std::uint64_t bytes = 0;
    std::uint16_t protocol = 0;
};

/// How runners that fail or are new are spared, or spared by jobs.
struct protection {
    double max_runner_load = 0.8;  // of five places or more; beyond it a runner gets jobs only when all are as loaded
    bool reserve_for_urgent = false;                    // beyond it, only high and critical jobs
    nanoseconds slow_start = std::chrono::seconds(30);  // until a runner that came (back) counts fully; 0 = at once
    bool eject = true;
    double max_ejected = 0.1;                              // of all runners; one may always be
    nanoseconds ejection_time = std::chrono::seconds(30);  // the first time; n times that the n-th, up to ten times
    std::uint32_t failures_in_a_row = 5;                   // of the infrastructure
    double panic_below = 0.5;  // share of the runners that match which are not out; below it nobody counts as ejected
};

enum class ejection_cause : std::uint8_t { failures_in_a_row, success_rate, failed_on_trial };
/// A runner was taken out, or is tried again.
struct ejection {
    slot_ref slot;
    bool out = true;
    ejection_cause why{};
    nanoseconds lasts{0};
    double success = 1, others = 1;  // share of jobs that did not fail, there and in the mean
};

/// A balancer is not asked any more for a while, or again.
struct balancer_suspension {
    std::string name;
    misconduct why{};  // none: it is asked again
};

/// What is believed of a runner. Times in microseconds.
struct runner_standing {
    double relative_cost = 1;  // expected cost per success of a job there, against the mean runner
    double relative_time = 1;  // execution time alone, as far as it can be told from noise
    double wait_us = 0, success = 1, slow_start = 1;
    std::uint32_t samples = 0, ejections = 0;
    bool ejected = false, on_trial = false;
};

/// What is known of the jobs of one requirement.
struct class_standing {
    std::uint32_t samples = 0;  // jobs that succeeded
    double mean_exec_us = 0, exec_cv = 0;
    double failing = 0.5;  // share of jobs that fail by their own fault, wherever they run
};

enum class policy_reason : std::uint8_t { prior, evidence, rollback, lost };
/// Jobs of a requirement are picked for by another balancer from now on. Figures without jobs: nothing is known.
struct policy_switch {
    std::string requirement, from, to;
    policy_reason why{};
    policy_figures of_from, of_to;
};
/// Who picks for the jobs of a requirement that are for a balancer that chooses; of normal priority.
struct policy_standing {
    std::string policy{};  // empty: not decided
    policy_reason why{};
    nanoseconds since{0};
    policy_figures picking{};  // in the last window
    std::string tried{};       // empty: none
    double tried_share = 0;
    policy_figures trying{};
};

class selector {
public:
    struct options {
        std::uint32_t max_runners = 10'000;
        std::string default_balancer = "round_robin";
        /// For simulations: picks take the time from here, and their random bits from the seed of each thread's first
        /// pick. Null: the system's, and bits that nobody can guess.
        const clock* time = nullptr;
        std::uint64_t seed = 0;
        /// For simulations in one thread: the number of the dispatching thread that it stands for now.
        const std::uint32_t* stands_for = nullptr;
        protection protect{};
    };
    /// Takes every instance of kind sigrun.balancer/1 from `balancers`. An unknown default is a problem that
    /// lists the known ones.
    static result<std::unique_ptr<selector>> create(const options& opts,
                                                    std::vector<std::shared_ptr<instance>> balancers);
    ~selector();

    // -- membership
    // ------------------------------------------------------------------------------------------------
    /// Closed until set_open. busy when max_runners is reached.
    result<slot_ref> add(const runner_profile& profile);
    /// New facts, labels or protocols; keeps the claims and whether it is open. The slot may change: the new
    /// one is returned, and the old one stays good for releasing claims made through it.
    result<slot_ref> update(slot_ref slot, const runner_profile& profile);
    void remove(slot_ref slot);
    /// Open = may be picked (Online). A closed slot keeps its claims.
    void set_open(slot_ref slot, bool open);

    // -- picking
    // ---------------------------------------------------------------------------------------------------
    /// A new one is judged here: once per kind of runners, and runner by runner where those differ in what it asks.
    predicate_ptr intern(const requirement_ptr& requirement);
    /// 0 if unknown.
    std::uint16_t balancer_id(std::string_view name) const noexcept;
    std::string_view balancer_name(std::uint16_t id) const noexcept;
    std::vector<std::string> balancer_names() const;
    /// Whom jobs get that name no balancer, from now on. False: there is none of this name. [any]
    bool set_default(std::string_view name);
    /// Whether `now` could take the place of the balancer instance `old`.
    result<void> can_replace(const std::shared_ptr<instance>& old, const std::shared_ptr<instance>& now) const;
    /// From here on `now` picks. When it returns true, no thread is in `old` or keeps state of it; false: this system
    /// cannot tell, and `old` is held for good. Not from inside a pick.
    bool replace(const std::shared_ptr<instance>& old, const std::shared_ptr<instance>& now);
    /// One more balancer. Not from inside a pick, nor is the next.
    result<void> add_balancer(const std::shared_ptr<instance>& now);
    /// Jobs that named it are picked for by the default one. A problem if it is that.
    result<void> remove_balancer(const std::shared_ptr<instance>& old);
    /// Its picks, and as failures those where it proposed nothing usable although a place was free.
    call_counts balancer_counts(const std::shared_ptr<instance>& which) const;
    pick_result pick(const pick_request& request) noexcept;
    /// What picks take, from the call to the claimed place: one of 64 of each thread is timed. [any]
    pick_time_counts pick_times() const noexcept;
    /// Whether an open runner that is neither excluded nor ejected matches, with a free place or without.
    bool could_run(const pick_request& request) const noexcept;
    /// Gives a claimed place back. True if the slot can take a job that it could not before: one may be waiting for it.
    bool release(slot_ref slot) noexcept;
    /// Claims a place on this very runner without picking (a re-attached attempt), also beyond its places.
    void claim_existing(slot_ref slot) noexcept;
    bool matches(const predicate& pred, slot_ref slot) const noexcept;
    /// Where the runner is now that had this slot.
    std::uint32_t current_slot(std::uint32_t slot) const noexcept;
    /// Runners of one kind. `answers` is another number after what some requirement says of them may have changed.
    struct group_ref {
        std::uint32_t number = ~0u;
        std::uint64_t answers = 0;
    };
    group_ref group_of(slot_ref slot) const noexcept;
    /// No: nobody in the group matches.
    bool may_match(const predicate& pred, std::uint32_t group) const noexcept;
    /// The protocols over which this runner can take a job now; 0 if it is closed, full or gone.
    protocol_mask open_protocols(slot_ref slot) const noexcept;
    /// Before the claim is released. `balancer`: who decided, from the explain record; 0 = nobody.
    void feedback(const job_feedback& f, std::uint16_t balancer) noexcept;
    /// A job that runs there is old for its class: the runner counts as slow at least until it ends.
    void straggler(slot_ref slot, const predicate& pred, nanoseconds age) noexcept;
    runner_standing standing(slot_ref slot) const noexcept;
    class_standing standing(const predicate& pred) const noexcept;
    /// Execution time that this share of a requirement's jobs does not exceed, within 9 %; 0 without any.
    double exec_quantile_us(const predicate& pred, double share) const noexcept;
    /// Share of the places of the runners that match, are open and not ejected, that are taken; 1 if there are none. Of the last
    /// 100 ms; whoever asks first after that looks at all of them. Not for the hot path.
    double load(predicate& pred) noexcept;
    /// A runner that matches a requirement, and what it could take now.
    struct supplier {
        slot_ref slot;
        bool open = false;
        std::uint32_t places = 0, in_flight = 0;
        std::uint32_t free = 0;  // that a job of normal priority may take over one of the allowed protocols
    };
    /// Each of them, whether it may be picked or not. Not for the hot path. [any]
    void suppliers(const predicate& pred, protocol_mask allowed, const std::function<void(const supplier&)>& see) const;
    /// Whether there is any. [any]
    bool known_to_match(const predicate& pred) const noexcept;
    /// The free places of this runner are for urgent jobs only.
    bool keeps_for_urgent(slot_ref slot) const noexcept;

    // -- protection
    // ------------------------------------------------------------------------------------------------
    /// From now on. [any]
    void protect(const protection& rules);
    /// Once a second: ends ejections and slow starts, lets estimates fade, compares runners, mends the index. Returns
    /// who was ejected or is tried again since the last call. One thread at a time.
    std::vector<ejection> tick();
    /// Balancers that were suspended, or are asked again, since the last call. Beside tick.
    std::vector<balancer_suspension> look_at_balancers();
    /// What ticks switched since the last call.
    std::vector<policy_switch> policy_switches();
    /// No: a balancer that chooses is told nothing of how jobs fare, and stays with what it chose.
    void allow_switching(bool allowed) noexcept;
    /// Whether instances of the component `geographic` are among those that it can choose; at first they are not.
    void offer_geographic(bool offered) noexcept;
    /// The name of this balancer (0 = default) if it chooses among the others, else empty.
    std::string chooser(std::uint16_t balancer) const;
    policy_standing policy_of(const predicate& pred) const;

    // -- recording (kernel/select/recording)
    // ---------------------------------------------------------------------------------------------------
    /// From now on the picks of one thread with this balancer are recorded, until there are so many, or so many bytes. A
    /// problem if there is no such balancer, it is not deterministic, or a recording is under way.
    result<void> start_recording(std::string_view balancer, std::uint32_t picks, std::size_t bytes);
    struct recording_state {
        bool under_way = false, full = false;
        std::uint32_t picks = 0;
    };
    recording_state recording() const;
    /// Ends it: the bytes to write to a file. Not from inside a pick.
    result<std::string> end_recording();

    // -- zones: the value of the label `zone` of runners
    // -----------------------------------------------------------------------------------------------------
    /// Where this controller is ("" = it says nothing), and what is known of zones beforehand. Again at any time.
    result<void> declare_zones(std::string_view own, std::vector<zone_declaration> declared);
    /// For pick_request: of jobs that come from there; "" = where this controller is.
    std::uint32_t zone_source(std::string_view name);
    /// Measured to the runner in this slot.
    void note_round_trip(slot_ref slot, nanoseconds rtt);
    /// Jobs that wait for a place. [any], lock-free
    void note_waiting(std::uint32_t jobs) noexcept;

    // -- looking
    // ---------------------------------------------------------------------------------------------------
    struct term_count {
        std::string text;
        std::uint32_t column = 0, no = 0, unknown = 0;
        std::string nearest_key;       // set when no runner has the term's key
        std::uint32_t absent = 0;      // of `no`: there is no such thing there
        std::string absent_key{};      // which
        std::string closest{};         // the value nearest to what is asked, of those that are not enough
        double closest_distance = -1;  // from that
        slot_ref closest_at{};         // where it is
        struct cause {
            std::string why;
            std::uint32_t runners = 0;
            slot_ref example{};
        };
        std::vector<cause> causes{};  // of `unknown`; most runners first
        std::uint32_t alone = 0;      // runners that satisfy all terms but this one
        std::string alone_closest{};  // as closest, of those
        double alone_distance = -1;
        slot_ref alone_at{};  // that one, or any of them
    };
    /// Who asks: the job's protocols, and whether it is urgent.
    struct explain_terms {
        protocol_mask protocols = 0xffff;
        std::uint16_t priority = 2;
        std::size_t candidates = 5;
    };
    /// A runner that matches, as it is now.
    struct candidate {
        slot_ref slot;
        int tier = -1;  // as in explain_record; -1: it can take no job
        std::uint32_t in_flight = 0, places = 0;
        double relative_cost = 1;
    };
    /// A runner that matches and is ejected now.
    struct absence {
        ejection what;
        nanoseconds left{0};
    };
    struct explanation {
        std::uint32_t runners = 0, open = 0, matching = 0, matching_open = 0, unknown = 0, busy = 0;
        // What hinders those that match; each counts once, at the first that is true of it.
        std::uint32_t closed = 0, other_protocol = 0, ejected = 0, on_trial = 0, full = 0, kept = 0, free = 0;
        protocol_mask other_protocols = 0;            // of those
        std::uint64_t places = 0, in_flight = 0;      // of those that are full, keep places or have free ones
        std::uint64_t kept_places = 0;                // that urgent jobs may take
        slot_ref full_at{}, closed_at{}, other_at{};  // some runner of each kind
        std::vector<absence> absences;                // some of the ejected, the first to come back first
        std::vector<candidate> best;                  // who could be chosen now, the likeliest first
        std::vector<term_count> terms;
    };
    /// Off the hot path: judges every kind of runners against every term, and each runner where those of a kind differ. A
    /// runner that becomes another kind meanwhile may count twice or not at all. [any]
    explanation explain(const requirement& requirement, const explain_terms& asked) const;
    explanation explain(const requirement& requirement) const { return explain(requirement, explain_terms{}); }
    /// A runner that matches, as a pick of a moment ago may have seen it.
    struct sight {
        slot_ref slot;
        bool picked = false;
        int tier = -1;  // as in explain_record; -1: it could take no job
        std::uint32_t in_flight = 0, places = 0;
        std::uint32_t score = 0;  // 256 * log2 of the expected cost
    };
    struct sights {
        std::vector<sight> best;  // the picked one, then the best of the others
        std::uint32_t looked_at = 0;
    };
    /// At most about a thousand runners, from a random place on. Not for the hot path. [any]
    sights look_around(const predicate& pred, protocol_mask allowed, slot_ref picked, std::size_t most,
                       std::uint64_t random) const;
    std::uint32_t in_flight(slot_ref slot) const noexcept;
    std::size_t runners() const noexcept;
    /// Bits that had to be corrected so far; 0 unless there is a bug. Looks for them, at most once a second.
    std::uint64_t index_repairs() const noexcept;
    /// Bits that disagree with their counts right now; exact only while nobody picks. For tests and
    /// diagnosis.
    std::uint64_t index_faults() const;

private:
    selector();
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace sigrun

// Jobs from submit to end: queue, attempts, offers, logs, results, retries, durability.
//
// [any]. One lock per job; the table is sharded; the waiting queue has a lock of its own. No lock is held while a plugin,
// a waiter or the journal's callback runs. On the fast path a call runs on the thread its bytes arrived on, from submit
// to offer and from result to reply.
#pragma once

#include "kernel/job/artifact_upload.hpp"
#include "kernel/job/hedge_budget.hpp"
#include "kernel/job/job.hpp"
#include "kernel/job/job_table.hpp"
#include "kernel/job/pick_trace.hpp"
#include "kernel/job/placed_jobs.hpp"
#include "kernel/job/retry_budget.hpp"
#include "kernel/job/submission.hpp"
#include "kernel/job/submit_keys.hpp"
#include "kernel/job/wait_queue.hpp"
#include "kernel/metrics/latency_counts.hpp"
#include "kernel/runner/event_log.hpp"
#include "kernel/store/journal.hpp"

namespace sigrun {

struct engine_options {
    nanoseconds offer_timeout = std::chrono::seconds(5);
    nanoseconds restart_grace = std::chrono::seconds(20);
    nanoseconds lost_after = std::chrono::minutes(10);  // jobs that must not run twice wait this long for their runner
    spec_defaults defaults;
    std::shared_ptr<artifact_store> artifacts;  // null: jobs that ask for artifacts are refused
    std::shared_ptr<const job_tracer> traces;   // null: no job is part of a trace
};

/// What can change while jobs run.
struct engine_tuning {
    std::uint64_t max_waiting = 100'000;             // jobs; beyond it submit answers busy
    std::size_t keep_finished = 10'000;              // ended jobs that can still be asked for
    nanoseconds keep_finished_for{0};                // after their end; 0 = however long
    nanoseconds keep_keys = std::chrono::hours(24);  // idempotency keys, after the end of their job
    std::size_t max_keys = 1'000'000;
    nanoseconds lease = std::chrono::seconds(10);
    nanoseconds retry_delay = std::chrono::milliseconds(500);
    std::uint32_t retry_infrastructure = 3;
    std::uint32_t poison_after = 3;                 // different runners that a job has taken down; 0 = any number
    nanoseconds ageing = std::chrono::minutes(10);  // a waiting job rises by one band each time; 0 = never
    account_rules any_tenant;
    wait_accounts::rules_by_name tenants;
    run_groups::rules_by_name groups;
    spec_rules rules;
    std::uint32_t trace_every = 1024;  // picks of a thread: of one it is kept what it saw; 0 = of none
    bool early_reoffer = false;        // offers that are acknowledged late go to another runner
    struct {
        double budget = 0.02;    // copies, as a share of the offers; 0 = none
        double quantile = 0.95;  // of the execution times of the requirement: a job that takes longer gets one
        double max_load = 0.8;   // of the places of the runners that match; beyond it there are none
    } hedge;
    double retry_budget = 0.2;  // retries at once, as a share of the other attempts under way
    bool sticky = false;        // jobs without affinity prefer the runners of their tenant, or of who submits them
};

struct submit_request {
    std::string_view document;
    buffer_ref payload;  // overrides the document's
    std::string idempotency_key;
    std::string_view submitter;       // "" = nobody asks
    std::string_view trace_parent{};  // W3C traceparent of who submits; "" = none
    id retry_of{};
};

/// Since the program started.
struct job_totals {
    std::uint64_t submitted = 0, retries = 0, offers = 0;
    std::array<std::uint64_t, 5> ended{};  // succeeded, failed, cancelled, expired, dead
    latency_snapshot total;                // from submit to the end
    latency_snapshot run;                  // from the start of the last attempt's work to the end, of jobs that began
    static constexpr std::array<std::string_view, 5> outcomes{"succeeded", "failed", "cancelled", "expired", "dead"};
};

class job_engine final : public attempt_handler {
public:
    job_engine(fleet& runners, selector& select, journal& store, event_log& events, metrics& numbers, log_store& logs,
               timer_wheel& timers, const clock& clk, engine_options options, const engine_tuning& tuning = {});
    ~job_engine() override;

    // -- for callers -----------------------------------------------------------------------------------------------
    /// `accepted` runs once: after the record is on disk (fsync) or at once. It gets the job, and whether an earlier
    /// submit with the same key had made it.
    void submit(const submit_request& request, std::function<void(result<job_ptr>, bool replayed)> accepted);
    /// Several at once, as read_submission made them of `request.document`: all are accepted, in one transaction, or none. Each
    /// begins once those that it needs have ended. In their order; of a replay, those that are still kept.
    using many_accepted = std::function<void(result<std::vector<job_ptr>>, bool replayed)>;
    void submit_many(const submit_request& request, const std::vector<submitted_job>& jobs, many_accepted accepted);
    /// Whether they would be accepted, as far as that depends on what they say.
    result<std::vector<spec_ptr>> specs_of(const std::vector<submitted_job>& jobs);
    result<job_ptr> find(std::string_view uuid_text) const;
    static problem no_such_job(std::string_view uuid_text);
    std::vector<job_ptr> all() const { return table_.all(); }
    /// Ends the job: at once when it waits, through the runner when it runs. Ending twice is fine.
    void cancel(const job_ptr& j, nanoseconds grace);
    /// The same document and payload as a new job, as submit; of one that has ended. It names the old one.
    void retry(const job_ptr& j, std::string_view submitter,
               std::function<void(result<job_ptr>, bool replayed)> accepted);
    /// Runs `done` when the job is terminal (now, if it is), unless the handle was destroyed before.
    [[nodiscard]] std::shared_ptr<void> when_done(const job_ptr& j, std::function<void()> done);
    /// The job's log, made if there was no output yet, so that it can be followed from the start.
    std::shared_ptr<job_log> log_of(const job_ptr& j);
    /// That of one attempt, if it has one of its own; else null.
    std::shared_ptr<job_log> log_of(const job_ptr& j, std::uint32_t attempt);
    /// As of now, whatever state it is in.
    selector::explanation explain(const job_ptr& j) const;
    /// Nothing if it does not wait for a place.
    std::optional<place_in_line> place_in_queue(const job_ptr& j) const { return queue_.place_of(*j); }
    /// What a blocked job waits for, as of now; empty if it is not blocked.
    std::string blocked_text(const job_ptr& j) const;
    /// Retries of the budget, and the attempts that it is measured by.
    std::pair<std::uint32_t, std::uint32_t> retries() const { return budget_.in_all(); }
    std::size_t waiting() const { return queue_.size(); }
    /// Jobs that wait by queue and by tenant: of at most `most` names each that have rules, all others under "".
    using waits_by_name = std::vector<std::pair<std::string, std::uint64_t>>;
    waits_by_name waiting_by_queue(std::size_t most) const { return options_.defaults.queues->waiting(most); }
    waits_by_name waiting_by_tenant(std::size_t most) const { return options_.defaults.tenants->waiting(most); }
    job_totals totals() const;
    /// What counts jobs by what they ask for.
    const demand_board& demand() const noexcept { return *options_.defaults.demand; }
    /// Jobs keep what was decided for them; later decisions follow the new values. [any]
    void tune(const engine_tuning& now);

    // -- start -----------------------------------------------------------------------------------------------------
    /// From the journal, in any order. From start on ended jobs are remembered, waiting ones queued, running ones given the
    /// restart grace.
    void restore_job(std::string_view key, std::string_view body);
    void restore_key(std::string_view key, std::string_view body);
    /// After the last record, and when the fleet knows its runners: begins to dispatch.
    void start();
    /// Takes no more jobs.
    void stop();
    /// Another controller owns the jobs: nothing is offered, acknowledged, cancelled or accepted any more. [any]
    void halt() noexcept { halted_ = true; }
    /// Lets go of links and runners; after the fleet has stopped.
    void release();

    // -- attempt_handler -------------------------------------------------------------------------------------------
    sigrun_result on_attempt_frame(const member_ptr& from, const link_ptr& via, const sigrun_frame& frame) override;
    std::vector<verdict> reconcile(const member_ptr& who, const std::vector<inventory_item>& inventory,
                                   bool restarted) override;
    void on_session(const member_ptr& who, const link_ptr& via, const std::string& why = {}) override;
    void on_link_lost(const member_ptr& who, const link_ptr& via) override;
    void on_capacity(slot_ref slot) override;
    std::unordered_set<const link*> links_in_use(const member_ptr& who) override;
    void move_attempts(const member_ptr& who, const link_ptr& from, const link_ptr& to) override;

private:
    friend struct job;
    using job_lock = std::unique_lock<std::mutex>;

    spec_defaults defaults() const;
    result<spec_ptr> spec_of(std::string_view document, std::uint64_t changes);
    void note_accepted(job& j) const;
    std::uint64_t affinity_of(const job_spec& spec, std::string_view submitter) const;
    result<void> has_room(const job_spec& spec) const;
    result<void> within_rate(wait_account& tenant, std::uint32_t submits) const;
    result<void> takes_jobs(const job_spec& spec, const std::string& key) const;
    result<void> prepare(job& j, std::string_view submitter);
    static problem not_stored(const problem& why, durability wanted);
    void stop_job(const job_ptr& j, job_lock& lock, nanoseconds grace);
    void send_cancel(const job_ptr& j, job_lock& lock);
    static ending stopped(job& j, std::string_view how_far = {});
    void repeated(const submit_keys::holder& by, const spec_ptr& spec, const std::string& key,
                  std::function<void(result<job_ptr>, bool)> accepted);
    void replay(const job_ptr& earlier, std::function<void(result<job_ptr>, bool)> accepted);

    // submit_many.cpp: several at once
    result<std::vector<job_ptr>> tied_jobs(const std::vector<submitted_job>& jobs, const std::vector<spec_ptr>& specs,
                                           const submit_request& request);
    void begin_all(const std::vector<job_ptr>& jobs);
    std::vector<job_ptr> submitted_with(const job& one) const;
    void repeated_many(const submit_keys::holder& by, const spec_ptr& spec, const std::string& key,
                       many_accepted accepted);

    // blocked.cpp: those that wait for others
    void block(job& j) const;
    void go_on(const job_ptr& j);
    void unblock(job& j);
    void tell_dependents(const job_ptr& j);
    void need_ended(const job_ptr& j, const job_ties::need& how);
    void tie_again(const std::vector<job_ptr>& all);

    // grouping.cpp: those that wait for a place in their group
    std::string group_reason(const job& j) const;
    std::string group_text(const job& j) const;
    void line_up(job& j);
    void come_in(const job_ptr& j);
    result<void> come_in_now(const job& j);
    void make_way(const job_ptr& older, const job& newer);
    void let_in(run_group& group);
    void leave_group(const job& j);
    static bool may_still_run(const job& j, const attempt& a, const ending& how);
    nanoseconds longest_rest(const job& j, const attempt& a) const;
    void hold_retry(job& j);
    void over_there(const job_ptr& j, job_lock& lock);
    void restore_beside(job& j);
    bool restore_in_group(job& j);

    // dispatch.cpp: from queued to offered
    void enqueue(const job_ptr& j);
    void begin_wait(const job_ptr& j);
    result<void> delay_start(job& j) const;
    void hold_until_start(job& j);
    bool delay_from_now(job& j) const;
    void start_is_due(const job_ptr& j, job_lock& lock);
    void park(job& j);  // under its lock
    void count_waiting(job& j, bool waits) noexcept;
    static void note_demand(job& j) noexcept;
    void waits_from(job& j, nanoseconds later) const;
    bool place_for(job& j, slot_ref& out);
    bool try_dispatch(const job_ptr& j, bool late = false);  // false: no place now
    pick_request wish_of(const job& j) const;
    bool pick_for(job& j, pick_result& out);
    bool pick_among(const job& j, pick_request& request, pick_result& out);

    // refusing.cpp: for the sake of a signature
    void note_refuser(job& j, const member_ptr& where, const failure& why, bool for_good) const;
    void forget_refusers(job& j) const;
    bool refused_for_good(const job& j, ending& how) const;
    std::vector<std::uint32_t> slots_that_refuse(const job& j) const;
    std::string refusal_text(const job& j) const;
    void expect_signature_end(job& j) const;
    void signature_over(const job_ptr& j, job_lock& lock);

    std::vector<std::uint32_t> slots_of(std::vector<member_ptr> who, bool with_neighbours) const;
    std::vector<std::uint32_t> slots_to_avoid(const job& j, std::vector<member_ptr> who) const;
    std::vector<std::uint32_t> slots_that_failed(const job& j) const { return slots_to_avoid(j, *j.failed_on); }
    bool could_run_but_on(const job& j, const std::vector<std::uint32_t>& slots) const;
    bool others_could_run(const job& j) const;
    bool pick_rung(job& j, pick_result& picked, member_ptr& where, chosen_link& rung);
    rung_request request_for(const job& j) const;
    void begin_attempt(const job_ptr& j, const member_ptr& where, const chosen_link& rung, const pick_result& picked);
    void describe_attempt(const job& j, attempt& a, const member_ptr& where, const chosen_link& rung,
                          const pick_result& picked);
    void store_offer(const job_ptr& j, job_lock& lock);
    void send_offer(const job_ptr& j, std::uint32_t number);
    struct outgoing_offer {
        std::uint32_t number;
        const link_ptr& via;
        const std::string& token;
        const buffer_ref& payload;
        double memory_growth;
    };
    static sigrun_result execute(const job& j, const outgoing_offer& what);
    link_ptr other_link(const job_ptr& j, std::uint32_t number, const link_ptr& not_this, bool refused);
    void take_back(const job_ptr& j, std::uint32_t number, attempt_state as, failure why, bool exclude);
    void forget_old_attempts(job& j);
    void pump(slot_ref slot, bool freed = true);  // freed: just now, as the jobs are told
    void sweep();
    void place_free(const member_ptr& where, slot_ref place);

    // progress.cpp: frames of an attempt
    sigrun_result on_ack(const job_ptr& j, job_lock& lock, const sigrun_frame& frame);
    sigrun_result on_log(const job_ptr& j, job_lock& lock, const link_ptr& via, const sigrun_frame& frame);
    sigrun_result on_state(const job_ptr& j, job_lock& lock, const member_ptr& from, const link_ptr& via,
                           const sigrun_frame& frame);
    static void ack(const link_ptr& via, const sigrun_frame& frame, std::uint32_t kind, std::uint64_t offset);
    static void note_limits(attempt& a, std::string_view running_state);
    static ending ending_of(const sigrun_frame& final_state);
    static std::uint64_t missing_output(const job& j, const sigrun_frame& final_state);
    static std::uint64_t log_offset_of(const job& j);
    static std::shared_ptr<job_log> log_to_sync(const job& j);
    void when_synced(const std::shared_ptr<job_log>& log, std::function<void()> then);
    std::function<void()> acknowledge_later(const member_ptr& from, const link_ptr& via,
                                            const sigrun_frame& final_state);
    void mark_running(job& j);

    // artifacts.cpp
    static constexpr std::chrono::minutes k_sweep_artifacts{10};
    static bool says_uploading(std::string_view state) noexcept;
    void on_uploading(const job_ptr& j, job_lock& lock, attempt& a, const link_ptr& via, const sigrun_frame& frame);
    static void tell_of_artifacts(const job_ptr& j, std::uint32_t number, const std::string& token,
                                  const artifact_upload::told& what);
    static sigrun_result on_artifact(const attempt& a, job_lock& lock, const sigrun_frame& frame);
    static void take_artifacts(const job& j, const attempt& a, ending& how);
    static void drop_upload(attempt& a, const ending& how);
    void sweep_artifacts();

    // restore.cpp
    struct restored_job {
        job_ptr job;
        std::string refused;  // why its document is not taken any more; "" = it is
    };
    void give_up_copies(job& j) const;
    bool take_up(const job_ptr& j, const std::string& refused);
    void remember_failures(job& j);
    bool may_be_queued(job& j);

    // settle.cpp: ends of attempts and retries
    /// The current attempt ended like this; decides between retry and end. `lock` is released.
    void attempt_ended(const job_ptr& j, job_lock& lock, ending how, std::function<void()> durable = {});
    void go_on_with_copy(const job_ptr& j, job_lock& lock, std::function<void()> durable);

    // poison.cpp: jobs that take their runners down
    std::vector<std::string> taken_down(const job& j) const;
    bool is_poison(const job& j, ending& how);

    // ending.cpp: ends of jobs
    void finish(const job_ptr& j, job_lock& lock, ending how, std::function<void()> durable);
    void store_end(const job_ptr& j, job_lock& lock, ending how, std::function<void()> durable);
    void forget(const std::vector<job_ptr>& ended);
    void completed(const job_ptr& j);
    void retire(const job_ptr& j);

    // retries.cpp: how many at once
    void count_end(job& j, attempt& a);
    void plan_retry(job& j, bool budgeted, const failure& why);
    void release_retry(job& j);
    void expect_proof(job& j);
    void wake_retries();

    // reoffer.cpp: to another runner when the first does not answer
    void note_ack(job& j, attempt& a);
    void expect_ack(job& j);
    void offer_another(const job_ptr& j, job_lock& lock);

    // hedge.cpp: copies of jobs that take longer than usual
    void expect_hedge(job& j);
    void hedge(const job_ptr& j, job_lock& lock);
    bool pick_copy(const job& j, pick_result& picked, member_ptr& where, chosen_link& rung);
    std::uint32_t begin_copy(job& j, const member_ptr& where, const chosen_link& rung, const pick_result& picked);
    void send_copy(const job_ptr& j, std::uint32_t number);

    // beside.cpp: the attempt beside the one that counts
    /// What is to be done under no lock: a runner is told to stop, a place becomes free.
    struct farewell {
        link_ptr via;
        std::uint32_t number = 0;
        std::string token;
        nanoseconds grace{0};
        member_ptr where;
        slot_ref place;
        bool leaves = false;  // nothing of the job runs any more: its place in its group is free
    };
    void say(const job_ptr& j, const farewell& bye);
    farewell forget_other(job& j);
    farewell let_go(job& j, attempt_state as, failure why, nanoseconds grace, bool tell);
    farewell part_with(job& j, nanoseconds grace, bool tell);
    void stay_beside(job& j, nanoseconds longest);
    farewell has_not_stopped(job& j);
    static bool runs_beside(const job& j) noexcept;
    static bool copy_can_go_on(const job& j, const ending& how);
    attempt& promote_copy(job& j);
    void copy_runs(job& j, attempt& a);
    sigrun_result on_other_frame(const job_ptr& j, job_lock& lock, const link_ptr& via, const sigrun_frame& frame,
                                 std::function<void()> acknowledge);
    sigrun_result on_copy_ack(const job_ptr& j, job_lock& lock, const sigrun_frame& frame);
    sigrun_result on_copy_log(const job_ptr& j, job_lock& lock, const link_ptr& via, const sigrun_frame& frame);
    sigrun_result on_copy_end(const job_ptr& j, job_lock& lock, const sigrun_frame& frame,
                              std::function<void()> acknowledge);
    void copy_won(const job_ptr& j, job_lock& lock, const sigrun_frame& frame, ending how,
                  std::function<void()> acknowledge);
    void other_link_lost(job& j, const member_ptr& who, const link_ptr& via, time_point lease_over);
    bool keep_other(job& j, const member_ptr& who, const inventory_item& item, verdict& v);
    void other_not_listed(const job_ptr& j, job_lock& lock, bool restarted);
    void bind_other(job& j, const member_ptr& who, const link_ptr& via, const std::string& why);
    void other_is_due(const job_ptr& j, job_lock& lock);

    // tracing.cpp: what picks saw
    bool traces_this_one(const job_spec& spec) const noexcept;
    void trace(const job& j, attempt& a);

    // own_log.cpp
    void join_own_log(const job_ptr& j, job_lock& lock, ending how, std::function<void()> durable);

    // deadlines.cpp
    void on_timer(const job_ptr& j);
    void arm(job& j);
    void total_over(const job_ptr& j, job_lock& lock);
    void not_started(const job_ptr& j, job_lock& lock);
    void expect_start(job& j) const;
    nanoseconds left_of_total(const job& j) const;

    // conduct.cpp: what it says of the runner
    enum class conduct : std::uint8_t { none, good, crash };
    static conduct conduct_of(const ending& how) noexcept;
    void tell_conduct(const member_ptr& where, const job_spec& spec, conduct what, std::string_view why);
    void tell_refusal(const member_ptr& where, const job_spec& spec, const failure& why);
    bool others_match(const member_ptr& where, const job_spec& spec) const;

    // feedback.cpp: what selection learns
    void learn(const job& j, const attempt& a, const ending& how);
    void doubt(job& j, const attempt& a);
    void doubt_now(job& j, const attempt& a);
    void watch_runners();

    // recovery.cpp: after a lost connection
    void keep(job& j, attempt& a, const member_ptr& who, const inventory_item& item, verdict& v);
    void claim_again(attempt& a);
    static bool never_arrived(const attempt& a);
    using listed_attempts = std::set<std::pair<const job*, std::uint32_t>>;
    void not_listed(const job_ptr& j, const member_ptr& who, bool restarted, const listed_attempts& listed);
    static attempt* on_its_way_out(job& j, std::string_view token);
    void attach(const job_ptr& j, job_lock& lock, const link_ptr& via);

    // returning.cpp: a lost runner is back, and no other has its job yet
    bool may_return(job& j, std::string_view token);  // under its lock, as the next
    void take_up_again(job& j);

    // rung_path.cpp: over another protocol of the same runner
    void goes_over(attempt& a, const link_ptr& via, std::string_view why);
    bool reroute(const job_ptr& j, job_lock& lock);

    // moving.cpp: over another link of the same runner
    void look_for(const job_ptr& j, job_lock& lock, const link_ptr& from, const link_ptr& to);

    journal_record record_of(const job& j) const;
    journal_record key_record_of(const job& j) const;
    void publish(job& j, job_state from);

    // saving.cpp: records that must reach the disk
    void save(const job_ptr& j, job_lock& lock, bool fsync, std::function<void(result<void>)> stored);
    void keep_saving(const job_ptr& j, bool fsync, std::function<void()> durable = {});
    void save_again(const job_ptr& j);
    void saved(const job_ptr& j, std::uint32_t number, const result<void>& outcome, std::function<void()> durable);
    std::vector<std::function<void()>> overtaken(job& j, std::uint32_t number);

    fleet& fleet_;
    selector& select_;
    journal& store_;
    event_log& events_;
    log_store& logs_;
    timer_wheel& timers_;
    const clock& clock_;
    engine_options options_;
    mutable std::mutex defaults_mutex_;  // options_.defaults
    shared_by_text<job_spec, document_of> specs_;
    struct {
        std::atomic<std::uint64_t> max_waiting;
        std::atomic<nanoseconds> lease, retry_delay, keep_finished_for;
        std::atomic<bool> sticky, early_reoffer;
        std::atomic<std::uint32_t> poison_after, trace_every;
        std::atomic<double> hedge_budget, hedge_quantile, hedge_max_load;
        std::atomic<std::uint64_t> changes{0};
    } tuned_;
    placed_jobs placed_;  // before the table: jobs take themselves out
    job_table table_;
    wait_queue queue_;
    std::vector<restored_job> restored_;  // until start
    retry_budget budget_;
    hedge_budget hedge_budget_;
    trace_ring traces_;
    std::atomic<int> extra_offers_{0};       // that may be made, in fiftieths
    std::atomic<std::uint64_t> waiting_{0};  // also those whose first record is on its way to the disk
    struct sweeper final : timer_node {
        explicit sweeper(job_engine& e) : engine(e) {}
        std::shared_ptr<void> pin() noexcept override { return engine.alive_; }
        void on_timer() override;
        job_engine& engine;
    };
    time_point artifacts_swept_at_{};                         // of the timers' thread
    std::shared_ptr<void> alive_ = std::make_shared<char>();  // until stop
    sweeper sweeper_{*this};
    std::atomic<std::uint64_t> next_seq_{1};
    std::atomic<bool> started_{false}, stopping_{false}, halted_{false};
    submit_keys keys_;

    struct {
        counter begun, won, took_over, failed, busy, over_budget, no_place;
    } hedges_;
    counter submitted_;
    std::array<counter, 5> ended_;  // by state, from succeeded on
    latency_counts total_times_, run_times_;
    counter dead_, retries_, offers_, reoffers_;
    histogram wait_seconds_;
};

}  // namespace sigrun

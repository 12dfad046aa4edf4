// One job and its attempts. State changes go through the engine, under the job's lock.
#pragma once

#include "kernel/base/rare.hpp"
#include "kernel/base/timer_wheel.hpp"
#include "kernel/job/artifact_store.hpp"
#include "kernel/job/beside.hpp"
#include "kernel/job/job_deadlines.hpp"
#include "kernel/job/job_ties.hpp"
#include "kernel/job/job_trace.hpp"
#include "kernel/job/log_store.hpp"
#include "kernel/job/pick_trace.hpp"
#include "kernel/job/placed_jobs.hpp"
#include "kernel/job/spec.hpp"
#include "kernel/job/wait_queue.hpp"
#include "kernel/link/fleet.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace sigrun {

enum class job_state : std::uint8_t {
    delayed,
    blocked,
    queued,
    offered,
    running,
    uploading,
    succeeded,
    failed,
    cancelled,
    expired,
    dead
};
std::string_view to_string(job_state s) noexcept;
std::optional<job_state> parse_job_state(std::string_view text) noexcept;
/// No runner has been chosen, and nothing runs.
constexpr bool is_waiting(job_state s) noexcept { return s <= job_state::queued; }
constexpr bool is_terminal(job_state s) noexcept { return s >= job_state::succeeded; }

/// Why something did not succeed; jobs-and-runners.md 4.2.
enum class failure_class : std::uint8_t {
    none,
    user,
    user_timeout,
    resource,
    infra_runner,
    infra_controller,
    infra_dependency,
    preempted,
    refused,
    cancelled,
    unschedulable
};
std::string_view to_string(failure_class c) noexcept;
failure_class parse_failure_class(std::string_view text) noexcept;  // unknown words: infra_runner
constexpr bool is_infrastructure(failure_class c) noexcept {
    return c == failure_class::infra_runner || c == failure_class::infra_controller ||
           c == failure_class::infra_dependency;
}

struct failure {
    failure_class cls = failure_class::none;
    std::string code, message;
};

/// How an attempt or a job ended.
struct ending {
    job_state state = job_state::failed;
    std::optional<int> exit_code, signal;
    failure why;
    std::string usage;              // JSON object, or empty
    std::string limits;             // the same: how its limits were held
    std::string isolation;          // the same: by what it was put apart
    std::string signature;          // the same: what the runner says of its signature
    std::string steps;              // JSON array, or empty: what became of each
    std::string outputs;            // JSON object, of texts: what the job told those who come after it
    std::string output_warnings;    // JSON array of texts, or empty: what it told in the wrong form
    std::string artifact_warnings;  // the same: which of its artifacts are not here
    artifact_set_ptr artifacts;     // what it has left, held for as long as this; null: nothing
    buffer_ref result;
    std::uint64_t log_missing = 0;  // bytes of output that the runner had, and that did not arrive
    bool runner_unknown = false;    // nobody can say what the runner does with it now
    bool not_there = false;         // the runner itself has said that it has nothing of it
};

class artifact_upload;

enum class attempt_state : std::uint8_t { offered, running, succeeded, failed, cancelled, lost, refused };
std::string_view to_string(attempt_state s) noexcept;

/// Over which protocol an attempt went on, from when, and why.
struct rung_step {
    std::string protocol, reason;
    std::int64_t at_ns = 0;  // wall clock
};

struct attempt {
    std::uint32_t number = 0;
    attempt_state state = attempt_state::offered;
    member_ptr where;  // null after a restart until the runner is back
    link_ptr via;
    std::string runner_name;
    id runner{};
    std::string token;
    std::string protocol, balancer;
    explain_record explain{};
    std::weak_ptr<const pick_trace> trace;  // what the pick saw, if that was kept, and still is
    std::int64_t rung_latency_ns = 0;  // measured round trip of the chosen protocol when it was chosen; 0 = none yet
    std::uint8_t rungs = 0;            // protocols that were usable
    std::uint8_t slow_rungs = 0;       // that were not, for the job's max_latency
    chosen_link::wish_t wish{};        // what came of the job's preferred_protocol
    std::uint8_t rung = 0xff;          // protocol id of `via`
    rung_why rung_reason = rung_why::only;
    float rung_score = 0, next_score = 0;
    std::vector<rung_step> steps;  // empty while it is on the protocol it began with
    std::uint32_t more_steps = 0;  // that are not kept
    std::string reason;            // of a restored attempt; otherwise made from the fields above when asked
    slot_ref place;                // what was claimed for it; given back exactly once while holds_place
    bool holds_place = false;
    bool counted = false;  // as one that is under way, for the retry budget
    bool sent = false;     // its offer is on the way, or was
    time_point sent_at{};
    bool kept = false;      // the runner has listed it on a session that is about to begin
    bool missing = false;   // it has not: the offer did not arrive, and goes over that session
    bool rerouted = false;  // the offer was sent over another protocol, since the first did not answer
    bool foreign = false;
    bool hedge = false;       // a copy, begun beside an attempt that took longer than usual
    bool own_log = false;     // its output is not in the job's log but in one of its own, which begins at 0
    bool late = false;        // the job had waited, and this place became free
    bool may_return = false;  // lost while it ran, its token not revoked: see returning.cpp
    bool may_run = false;     // over, but its runner may not know: it counts in the group of its job; see grouping.cpp
    bool looked_for = false;  // over the link that takes the place of `via`; the answer is on its way
    std::int64_t offered_ns = 0, started_ns = 0, finished_ns = 0;  // wall clock
    std::uint64_t log_begin = 0;                                   // where its output begins in the job's log
    std::optional<int> exit_code;
    std::string usage, limits, isolation, signature;  // JSON objects, or empty
    std::string step_results;                         // JSON array, or empty
    std::shared_ptr<artifact_upload> upload;          // once the runner has said what it has left
    failure why;
};

/// Of an attempt that a runner says has ended.
attempt_state state_of(const ending& how) noexcept;

class job_engine;
struct job;
using submit_answer = std::function<void(const result<std::shared_ptr<job>>&)>;

/// The code by which a runner says that it is the signature for which it does not run a job.
inline constexpr std::string_view k_signature_refusal = "signature";

/// It does not run the job, and is not asked again before.
struct refuser {
    member_ptr where;
    time_point until{};
    std::string why;
    std::uint32_t times = 0;
    bool for_good = false;  // as it says: the same offer is never taken there
};
/// For how long a runner that has refused a job so many times is not asked again. Pure.
nanoseconds left_out_for(std::uint32_t times) noexcept;

struct job final : std::enable_shared_from_this<job>, timer_node, waiter {
    job(job_engine& e, id i, spec_ptr s) : engine(e), uid(i), spec(std::move(s)) {}
    ~job() override;

    job_engine& engine;
    const id uid;
    const spec_ptr spec;

    std::mutex mutex;  // everything below
    job_state state = job_state::queued;
    buffer_ref payload;
    std::vector<attempt> attempts;
    placed_hook placed{*this};         // on the runner of the newest attempt
    placed_hook placed_beside{*this};  // on that of the one beside it
    std::unique_ptr<beside_attempt> beside;
    rare<std::vector<std::uint32_t>> excluded;  // slots that refused it: others first
    rare<std::vector<member_ptr>> failed_on;    // runners where an attempt failed: not while another one matches
    rare<std::vector<refuser>> refusers;        // for its signature, the last one last
    std::uint32_t user_tries = 0, infrastructure_tries = 0;
    mostly_fixed_text reason;  // why it waits, or why it ended there
    std::unique_ptr<ending> end;
    bool cancelling = false;
    std::unique_ptr<failure> stopped_for;  // why, if nobody asked for it
    bool overdue = false;                  // timeouts.total is over: it is cancelled for that
    bool waiting = false;                  // in the queue
    bool counted = false;                  // among those that wait, for the limits
    demand_place demand;
    bool rather_waits = false;  // its balancer thinks that waiting costs less than what was free
    bool settling = false;      // its end is on the way to the disk
    rare<std::function<void(const std::shared_ptr<job>&)>>
        settle_again;          // when it is due: the disk refused the end before
    bool holds_retry = false;  // it is a retry of the budget
    bool denied = false;       // it is to be one, and waits in line
    std::uint64_t queue_seq = 0;
    time_point waits_since{};
    std::int64_t start_ns = 0;  // not before, on the wall clock; 0 = at once. Set before anybody knows the job
    std::int64_t submitted_ns = 0, started_ns = 0, finished_ns = 0;
    std::int64_t waits_since_ns = 0;  // the same as waits_since, on the wall clock; later than now during a backoff
    deadlines due;
    nanoseconds doubt_after{0};  // age at which the job will have lasted unusually long
    nanoseconds cancel_grace{0};
    std::string idempotency_key;
    std::unique_ptr<const job_trace> trace;  // that it is part of; null: none. Set before anybody knows the job
    std::int64_t accepted_ns = 0;            // when its submit was acknowledged, if it is traced
    id retry_of{};                           // the job that it does again. Set before anybody knows the job
    std::unique_ptr<job_ties>
        ties;  // to jobs it was submitted with; null: to none. As retry_of, but for its needs' ends
    std::uint64_t affinity_key = 0;
    std::shared_ptr<job_log> log;
    std::shared_ptr<job_log> own_log;          // of the live attempt, if its output goes there
    rare<std::string> output_trouble;          // why its output cannot be stored now
    std::atomic<bool> output_troubled{false};  // output_trouble is not empty; readable without the lock
    struct waiting_callers {
        std::vector<std::weak_ptr<std::function<void()>>> calls;
        std::size_t sweep_at = 16;
    };
    rare<waiting_callers> waiters;                     // run once, when it is terminal
    rare<std::vector<std::function<void()>>> repeats;  // acknowledgements of an end that is on its way to the disk
    bool end_unsaved = false;                          // relaxed: it has ended, and the disk does not know it yet
    std::uint32_t saves = 0, saved = 0;  // records that were sent to the disk, and the newest that is there
    rare<std::vector<std::pair<std::uint32_t, std::function<void()>>>>
        refused_saves;                         // which, and whom to tell: saving.cpp
    bool key_saved = false;                    // its idempotency key is on the disk
    bool storing = false;                      // its first record is on the way to the disk
    rare<std::vector<submit_answer>> replays;  // submits with its key that came meanwhile

    /// The one that counts: the newest, also one that is over. What was begun beside it stands before it.
    attempt* current() noexcept { return attempts.empty() ? nullptr : &attempts.back(); }
    /// The attempt that a runner may be working on now; null while the job waits and when it has ended.
    attempt* live() noexcept { return is_waiting(state) || is_terminal(state) ? nullptr : current(); }
    /// The attempt that `beside` is about.
    attempt* other() noexcept;
    /// Where the output of the live attempt goes; null: there was none.
    const std::shared_ptr<job_log>& output() const noexcept { return own_log ? own_log : log; }

protected:
    std::shared_ptr<void> pin() noexcept override { return weak_from_this().lock(); }
    void on_timer() override;
};
using job_ptr = std::shared_ptr<job>;

/// The output of a job that is in memory alone is, too, as long as it is small.
inline log_home home_of(const job& j) noexcept {
    return j.spec->keep == durability::memory ? log_home::memory : log_home::files;
}

}  // namespace sigrun

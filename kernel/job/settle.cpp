// How an attempt ends, and whether the job is to run again: budgets and backoff.
#include "kernel/job/engine.hpp"

#include <algorithm>

namespace sigrun {
namespace {

constexpr int k_max_preemptions = 10;

// Exponential from `base` to a minute, with full jitter.
nanoseconds backoff(nanoseconds base, std::uint32_t tries) {
    nanoseconds window = std::min<nanoseconds>(base * (1ll << std::min(tries, 16u)), std::chrono::minutes(1));
    return nanoseconds(static_cast<std::int64_t>(
        random_u64() % static_cast<std::uint64_t>(std::max<std::int64_t>(window.count(), 1))));
}

// Whether a job that must not run twice may be started again: only if it certainly was not started.
bool never_started(const failure& why) { return why.cls == failure_class::refused || why.code == "spawn"; }

}  // namespace

void job_engine::attempt_ended(const job_ptr& j, job_lock& lock, ending how, std::function<void()> durable) {
    if (j->own_log) return join_own_log(j, lock, std::move(how), std::move(durable));
    attempt& a = *j->current();
    a.state = state_of(how);
    a.finished_ns = clock_.wall_ns();
    a.exit_code = how.exit_code;
    a.why = how.why;
    a.usage = how.usage;
    a.may_run = may_still_run(*j, a, how);
    if (!how.limits.empty()) a.limits = how.limits;
    if (!how.isolation.empty()) a.isolation = how.isolation;
    if (!how.signature.empty()) a.signature = how.signature;
    if (!how.steps.empty()) a.step_results = how.steps;
    a.via.reset();
    drop_upload(a, how);
    count_end(*j, a);
    release_retry(*j);
    j->due.clear({deadline::lease, deadline::offer, deadline::run, deadline::start});
    j->due.clear({deadline::cancel, deadline::doubt, deadline::reoffer, deadline::proven, deadline::hedge});
    member_ptr where = a.where;
    const slot_ref place = a.place;
    bool give_back = a.holds_place && !how.runner_unknown;
    if (give_back) a.holds_place = false;
    if (a.holds_place || a.may_run)
        j->due[deadline::hold] = clock_.now() + j->spec->run_timeout + std::chrono::seconds(60);
    if (where) {
        auto& counts = where->info->counts;
        (is_infrastructure(how.why.cls) ? counts.failed : counts.completed).fetch_add(1, std::memory_order_relaxed);
    }
    learn(*j, a, how);
    const auto shown = conduct_of(how);
    const std::string shown_by = shown == conduct::crash ? how.why.message : std::string();

    bool retry = false, budgeted = false, copy = false;
    if (j->cancelling && how.state != job_state::succeeded) {
        auto asked = stopped(*j);
        how.state = asked.state;
        if (j->overdue || j->stopped_for || how.why.cls != failure_class::cancelled) how.why = std::move(asked.why);
    } else if (how.state == job_state::failed && !is_poison(*j, how) && !(copy = copy_can_go_on(*j, how))) {
        switch (how.why.cls) {
            case failure_class::user:
            case failure_class::user_timeout:
            case failure_class::resource:
                retry = j->user_tries < j->spec->retry_user && !how.runner_unknown;
                if (retry) ++j->user_tries;
                break;
            case failure_class::preempted:
                retry = std::count_if(j->attempts.begin(), j->attempts.end(), [](const attempt& each) {
                            return each.why.cls == failure_class::preempted;
                        }) <= k_max_preemptions;
                break;
            default:
                retry = j->infrastructure_tries < j->spec->retry_infrastructure && how.why.code != "outcome_unknown";
                budgeted = retry;
                if (retry) {
                    ++j->infrastructure_tries;
                    if (a.where && j->failed_on->size() < 64) j->failed_on.make().push_back(a.where);
                    a.may_return = a.state == attempt_state::lost && !a.foreign;
                }
        }
        bool own_fault = how.why.cls == failure_class::user || how.why.cls == failure_class::user_timeout ||
                         how.why.cls == failure_class::resource;
        if (retry && !own_fault && !j->spec->idempotent && !never_started(how.why)) {
            retry = a.may_return = false;
            // One that was preempted has ended, as its runner says, somewhere in the middle: that much is known.
            const bool known = how.why.cls == failure_class::preempted;
            how.why.message +=
                known ? "; it had begun, and must not run twice" : "; it may have run, and must not run twice";
            if (!known) how.why.code = "outcome_unknown";
        }
    }
    farewell bye;
    if (copy) {
        // No retry, and of no budget: it was begun already.
        if (where && j->failed_on->size() < 64) j->failed_on.make().push_back(where);
        go_on_with_copy(j, lock, std::move(durable));
    } else if (!retry) {
        constexpr std::chrono::seconds k_grace{10};
        bye = let_go(*j, attempt_state::cancelled,
                     {failure_class::cancelled, "overtaken", "the first attempt ended first"}, k_grace, true);
        finish(j, lock, std::move(how), std::move(durable));
    } else {
        bye = let_go(*j, attempt_state::cancelled,
                     {failure_class::cancelled, "overtaken", "the first attempt failed, and is done again"}, {}, true);
        auto from = j->state;
        j->state = job_state::queued;
        waits_from(*j, backoff(tuned_.retry_delay.load(), j->user_tries + j->infrastructure_tries));
        j->due[deadline::retry] = j->waits_since;
        if (a.may_run)
            hold_retry(*j);
        else
            plan_retry(*j, budgeted, how.why);
        publish(*j, from);
        arm(*j);
        // Until the next attempt writes: its files are closed, and who follows this one alone hears that it is over.
        if (j->log) j->log->finish();
        if (j->spec->keep == durability::memory) {
            lock.unlock();
            if (durable) durable();
        } else {
            auto told = [this, log = log_to_sync(*j), durable = std::move(durable)] {
                if (durable) when_synced(log, durable);
            };
            keep_saving(j, j->spec->keep == durability::fsync, std::move(told));
            lock.unlock();
        }
    }
    say(j, bye);
    tell_conduct(where, *j->spec, shown, shown_by);
    if (give_back && where) place_free(where, place);
    wake_retries();
}

// The attempt that was to count is over for a reason that is not the job's own, and its copy takes its place.
void job_engine::go_on_with_copy(const job_ptr& j, job_lock& lock, std::function<void()> durable) {
    const auto from = j->state;
    const attempt& old = promote_copy(*j);
    farewell bye;
    if (old.may_run)
        stay_beside(*j, longest_rest(*j, old));
    else
        bye = forget_other(*j);
    hedges_.took_over.add();
    expect_hedge(*j);
    if (j->state != from) publish(*j, from);
    arm(*j);
    if (j->spec->keep == durability::memory) {
        lock.unlock();
        if (durable) durable();
        return say(j, bye);
    }
    auto told = [this, log = log_to_sync(*j), durable = std::move(durable)] {
        if (durable) when_synced(log, durable);
    };
    keep_saving(j, j->spec->keep == durability::fsync, std::move(told));
    lock.unlock();
    say(j, bye);
}

}  // namespace sigrun

// How attempts and jobs end: budgets, retries, deadlines, durable results.
#include "kernel/job/engine.hpp"
#include "kernel/log/log.hpp"

#include <algorithm>

namespace sigrun {
namespace {

const auto k_log = logger::get("jobs");
constexpr int k_max_preemptions = 10;
constexpr std::chrono::seconds k_settle_again{1};

// Exponential from `base` to a minute, with full jitter.
nanoseconds backoff(nanoseconds base, std::uint32_t tries) {
    nanoseconds window = std::min<nanoseconds>(base * (1ll << std::min(tries, 16u)), std::chrono::minutes(1));
    return nanoseconds(static_cast<std::int64_t>(
        random_u64() % static_cast<std::uint64_t>(std::max<std::int64_t>(window.count(), 1))));
}

attempt_state state_of(const ending& how) {
    switch (how.state) {
        case job_state::succeeded: return attempt_state::succeeded;
        case job_state::cancelled: return attempt_state::cancelled;
        default: return how.why.code == "lost" ? attempt_state::lost : attempt_state::failed;
    }
}

// Whether a job that must not run twice may be started again: only if it certainly was not started.
bool never_started(const failure& why) { return why.cls == failure_class::refused || why.code == "spawn"; }

}  // namespace

void job_engine::attempt_ended(const job_ptr& j, job_lock& lock, ending how, std::function<void()> durable) {
    attempt& a = *j->current();
    a.state = state_of(how);
    a.finished_ns = clock_.wall_ns();
    a.exit_code = how.exit_code;
    a.why = how.why;
    a.via.reset();
    count_end(*j, a);
    release_retry(*j);
    j->lease_deadline = j->offer_deadline = j->run_deadline = {};
    j->cancel_at = j->doubt_at = j->reoffer_at = j->proven_at = {};
    member_ptr where = a.where;
    const slot_ref place = a.place;
    bool give_back = a.holds_place && !how.runner_unknown;
    if (give_back)
        a.holds_place = false;
    else if (a.holds_place)
        j->hold_deadline = clock_.now() + j->spec->run_timeout + std::chrono::seconds(60);
    if (where) {
        auto& counts = where->info->counts;
        (is_infrastructure(how.why.cls) ? counts.failed : counts.completed).fetch_add(1, std::memory_order_relaxed);
    }
    learn(*j, a, how);

    bool retry = false, budgeted = false;
    if (j->cancelling && how.state != job_state::succeeded) {
        how.state = job_state::cancelled;
        if (how.why.cls != failure_class::cancelled)
            how.why = {failure_class::cancelled, "user", "cancelled on request"};
    } else if (how.state == job_state::failed) {
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
                    if (a.where && j->failed_on.size() < 64) j->failed_on.push_back(a.where);
                }
        }
        bool own_fault = how.why.cls == failure_class::user || how.why.cls == failure_class::user_timeout ||
                         how.why.cls == failure_class::resource;
        if (retry && !own_fault && !j->spec->idempotent && !never_started(how.why)) {
            retry = false;
            how.why.message += "; it may have run, and must not run twice";
            how.why.code = "outcome_unknown";
        }
    }
    if (!retry) {
        finish(j, lock, std::move(how), std::move(durable));
    } else {
        auto from = j->state;
        j->state = job_state::queued;
        j->retry_at = clock_.now() + backoff(tuned_.retry_delay.load(), j->user_tries + j->infrastructure_tries);
        j->waits_since = j->retry_at;
        plan_retry(*j, budgeted, how.why);
        publish(*j, from);
        arm(*j);
        if (j->spec->keep == durability::memory) {
            lock.unlock();
            if (durable) durable();
        } else {
            save(j, lock, j->spec->keep == durability::fsync, [durable = std::move(durable)](result<void> stored) {
                if (stored && durable) durable();
            });
        }
    }
    if (give_back && where) place_free(where, place);
    wake_retries();
}

// The job ends. For fsync the end counts once it is on the disk; until then the job shows its former state.
void job_engine::finish(const job_ptr& j, job_lock& lock, ending how, std::function<void()> durable) {
    if (j->waiting) {
        queue_.remove(*j);
        j->waiting = false;
    }
    count_waiting(*j, false);
    release_retry(*j);
    j->denied = false;
    if (j->spec->keep != durability::fsync) {
        j->end = std::move(how);
        bool relaxed = j->spec->keep == durability::relaxed;
        job_state from = std::exchange(j->state, j->end->state);
        j->finished_ns = clock_.wall_ns();
        publish(*j, from);
        if (relaxed)
            save(j, lock, false, [durable = std::move(durable)](result<void> stored) {
                if (stored && durable) durable();
            });
        else
            lock.unlock();
        if (!relaxed && durable) durable();
        return completed(j);
    }
    j->settling = true;
    store_end(j, lock, std::move(how), std::move(durable));
}

// Until the disk has taken it; the runner keeps its final state for as long.
void job_engine::store_end(const job_ptr& j, job_lock& lock, ending how, std::function<void()> durable) {
    job_state from = j->state;
    // The record is written as it will be; in memory the job keeps its state until the disk has it.
    j->end = how;
    j->state = how.state;
    j->finished_ns = clock_.wall_ns();
    std::vector<journal_record> records;
    records.push_back(record_of(*j));
    j->end.reset();
    j->state = from;
    j->finished_ns = 0;
    auto stored = [this, j, from, how = std::move(how), durable = std::move(durable)](result<void> outcome) mutable {
        job_lock inner(j->mutex);
        if (!outcome) {
            if (j->settle_at == time_point{})
                SIGRUN_LOG(k_log, error, "the end of job ", j->uid.text(),
                           " could not be stored: ", outcome.error().text());
            j->reason = "it has ended, but that could not be stored yet: " + outcome.error().text();
            j->settle_at = clock_.now() + k_settle_again;
            j->settle_again = [this, how = std::move(how), durable = std::move(durable)](const job_ptr& again) mutable {
                job_lock relock(again->mutex);
                store_end(again, relock, std::move(how), std::move(durable));
            };
            return arm(*j);
        }
        j->settling = false;
        j->settle_at = {};
        j->reason.clear();
        j->end = std::move(how);
        j->state = j->end->state;
        j->finished_ns = clock_.wall_ns();
        publish(*j, from);
        inner.unlock();
        if (durable) durable();
        completed(j);
    };
    store_.append(std::move(records), true, std::move(stored));
    lock.unlock();
}

void job_engine::completed(const job_ptr& j) {
    decltype(j->waiters) waiters;
    decltype(j->repeats) repeats;
    std::shared_ptr<job_log> log;
    bool holds = false;
    {
        job_lock lock(j->mutex);
        waiters.swap(j->waiters);
        repeats.swap(j->repeats);
        log = j->log;
        holds = j->hold_deadline != time_point{};
        (j->state == job_state::succeeded ? finished_ok_ : finished_bad_).add();
        if (!holds) {
            timers_.disarm(*j);
            placed_.remove(*j);
        } else {
            arm(*j);
        }
    }
    if (log) log->finish();
    for (auto& acknowledge : repeats) acknowledge();
    for (auto& w : waiters)
        if (auto done = w.lock()) (*done)();
    forget(table_.finished(j));
}

void job_engine::forget(const std::vector<job_ptr>& ended) {
    for (const auto& old : ended) {
        member_ptr where;
        slot_ref place;
        std::shared_ptr<job_log> log;
        {
            job_lock lock(old->mutex);
            log = old->log;
            // Nobody is left who would give back what a runner of unknown state still holds.
            if (attempt* a = old->current(); a && std::exchange(a->holds_place, false)) {
                where = a->where;
                place = a->place;
            }
        }
        if (where) place_free(where, place);
        if (log) log->erase();
        std::vector<journal_record> gone;
        if (!old->idempotency_key.empty()) {
            std::string key = old->spec->tenant + '\x1f' + old->idempotency_key;
            std::lock_guard lock(keys_mutex_);
            keys_.erase(key);
            gone.push_back({record_kind::idempotency, std::move(key), {}, SIGRUN_RECORD_DELETE});
        }
        if (old->spec->keep == durability::memory) continue;
        gone.push_back({record_kind::job, old->uid.text(), {}, SIGRUN_RECORD_DELETE});
        store_.append(std::move(gone), false, {});
    }
}

void job_engine::arm(job& j) {
    time_point next = time_point::max();
    for (time_point t : {j.offer_deadline, j.lease_deadline, j.run_deadline, j.hold_deadline, j.settle_at, j.cancel_at,
                         j.doubt_at, j.proven_at, j.reoffer_at})
        if (t != time_point{}) next = std::min(next, t);
    if (j.state == job_state::queued)
        for (time_point t : {j.queue_deadline, j.retry_at, j.patient_until})
            if (t != time_point{}) next = std::min(next, t);
    if (next == time_point::max())
        timers_.disarm(j);
    else
        timers_.arm(j, next);
}

void job_engine::on_timer(const job_ptr& j) {
    const auto now = clock_.now();
    auto passed = [now](time_point& t) {
        if (t == time_point{} || t > now) return false;
        t = {};
        return true;
    };
    job_lock lock(j->mutex);
    attempt* a = j->current();
    if (passed(j->hold_deadline) && a && std::exchange(a->holds_place, false)) {
        auto where = a->where;
        auto place = a->place;
        lock.unlock();
        if (where) place_free(where, place);
        return;
    }
    if (j->settling && j->settle_at != time_point{} && j->settle_at <= now) {
        auto again = std::move(j->settle_again);
        j->settle_at = now + std::chrono::hours(1);  // not once more while this one is on its way
        lock.unlock();
        if (again) again(j);
        return;
    }
    if (is_terminal(j->state) || j->settling) return;
    if (passed(j->queue_deadline) && j->state == job_state::queued) {
        ending how;
        how.state = job_state::expired;
        how.why = {failure_class::unschedulable, "queue_timeout", "no place was found in time; it " + j->reason};
        return finish(j, lock, std::move(how), {});
    }
    if (j->state == job_state::offered && passed(j->offer_deadline)) {
        if (a->sent && !j->spec->idempotent) {
            // It may be running there, and must not run twice: only the runner can tell.
            j->reason = "its runner did not answer the offer; the job must not run twice, so it waits for an answer";
            j->lease_deadline = now + options_.lost_after;
            return arm(*j);
        }
        auto number = a->number;
        if (a->sent && reroute(j, lock)) return;
        if (lock) lock.unlock();
        return take_back(j, number, attempt_state::lost,
                         {failure_class::infra_runner, "no_ack", "the runner did not answer the offer"}, true);
    }
    if (passed(j->doubt_at) && j->live()) doubt_now(*j, *a);
    if (passed(j->reoffer_at)) {
        if (j->state == job_state::offered) return offer_another(j, lock);
        return arm(*j);
    }
    if (passed(j->proven_at)) {
        if (a && j->live() && std::exchange(j->holds_retry, false)) {
            a->counted = true;
            budget_.proven(*j->spec->cls);
        }
        arm(*j);
        lock.unlock();
        return wake_retries();
    }
    if (passed(j->cancel_at) && j->cancelling && j->live()) return send_cancel(j, lock);
    if (passed(j->run_deadline)) {
        ending how;
        how.why = {failure_class::user_timeout, "run_timeout",
                   "ran longer than " + format_duration(j->spec->run_timeout)};
        how.runner_unknown = true;
        return attempt_ended(j, lock, std::move(how));
    }
    if (passed(j->lease_deadline) && j->live()) {
        bool silent = j->state == job_state::offered && !j->spec->idempotent;
        if (a->via && a->via->alive() && !j->cancelling && !silent) return arm(*j);
        if (j->state == job_state::offered && j->spec->idempotent && !j->cancelling) {
            auto number = a->number;
            lock.unlock();
            return take_back(j, number, attempt_state::lost,
                             {failure_class::infra_runner, "lost", "the offer never arrived"}, false);
        }
        ending how;
        how.runner_unknown = j->cancelling;
        how.why = {failure_class::infra_runner, "lost", "the runner was lost while it ran the job"};
        if (!j->spec->idempotent && !j->cancelling) {
            // Never run again blindly: wait for the runner's word, then say that nobody knows.
            if (j->reason.empty()) {
                j->reason = "its runner was lost; the job must not run twice, so it waits for the runner to come back";
                j->lease_deadline = now + options_.lost_after;
                return arm(*j);
            }
            how.why.code = "outcome_unknown";
        }
        return attempt_ended(j, lock, std::move(how));
    }
    const bool impatient = passed(j->patient_until);
    if (j->state == job_state::queued && (passed(j->retry_at) || impatient)) {
        // It looks for itself: whose turn it is among those that wait does not matter for a place that all others leave.
        if (std::exchange(j->waiting, false)) queue_.remove(*j);
        lock.unlock();
        return enqueue(j);
    }
    arm(*j);
}

}  // namespace sigrun

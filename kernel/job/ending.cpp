// How a job ends: its end on the disk, those who wait for it, and when it is forgotten.
#include "kernel/job/engine.hpp"
#include "kernel/log/loggers.hpp"

namespace sigrun {
namespace {

constexpr std::chrono::seconds k_settle_again{1};

}  // namespace

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
        j->end = std::make_unique<ending>(std::move(how));
        bool relaxed = j->spec->keep == durability::relaxed;
        job_state from = std::exchange(j->state, j->end->state);
        j->finished_ns = clock_.wall_ns();
        publish(*j, from);
        if (relaxed) {
            j->end_unsaved = true;
            keep_saving(j, false, [this, j, durable = std::move(durable)] {
                if (durable) durable();
                retire(j);
            });
        }
        lock.unlock();
        if (!relaxed && durable) durable();
        completed(j);
        // What the disk believes to be running must not be forgotten: it would run again after a restart.
        if (!relaxed) retire(j);
        return;
    }
    j->settling = true;
    note_demand(*j);
    store_end(j, lock, std::move(how), std::move(durable));
}

// Until the disk has taken it; the runner keeps its final state for as long.
void job_engine::store_end(const job_ptr& j, job_lock& lock, ending how, std::function<void()> durable) {
    job_state from = j->state;
    // The record is written as it will be; in memory the job keeps its state until the disk has it.
    j->end = std::make_unique<ending>(how);
    j->state = how.state;
    const auto ended_ns = j->finished_ns = clock_.wall_ns();
    const auto number = ++j->saves;
    std::vector<journal_record> records;
    records.push_back(record_of(*j));
    j->end.reset();
    j->state = from;
    j->finished_ns = 0;
    auto stored = [this, j, from, number, ended_ns, how = std::move(how),
                   durable = std::move(durable)](result<void> outcome) mutable {
        job_lock inner(j->mutex);
        if (!outcome) {
            if (!j->due.has(deadline::settle))
                SIGRUN_LOG(logs::jobs, error, "the end of job ", j->uid.text(),
                           " could not be stored: ", outcome.error().text());
            j->reason = "it has ended, but that could not be stored yet: " + outcome.error().text();
            j->due[deadline::settle] = clock_.now() + k_settle_again;
            j->settle_again.make() = [this, how = std::move(how),
                                      durable = std::move(durable)](const job_ptr& again) mutable {
                job_lock relock(again->mutex);
                store_end(again, relock, std::move(how), std::move(durable));
            };
            return arm(*j);
        }
        j->settling = false;
        j->due[deadline::settle] = {};
        j->reason.clear();
        j->end = std::make_unique<ending>(std::move(how));
        j->state = j->end->state;
        j->finished_ns = ended_ns;  // as the disk has it: the next life of the daemon says the same
        publish(*j, from);
        const auto tell = overtaken(*j, number);
        inner.unlock();
        for (const auto& each : tell)
            if (each) each();
        if (durable) durable();
        completed(j);
        retire(j);
    };
    auto write = [this, records = std::make_shared<std::vector<journal_record>>(std::move(records)),
                  stored = std::move(stored)]() mutable {
        store_.append(std::move(*records), true, std::move(stored));
    };
    when_synced(log_to_sync(*j), std::move(write));
    lock.unlock();
}

// Everybody may know it.
void job_engine::completed(const job_ptr& j) {
    job::waiting_callers waiters;
    std::shared_ptr<job_log> log;
    bool leaves_group = false;
    {
        job_lock lock(j->mutex);
        waiters = j->waiters.take();
        log = j->log;
        ended_[static_cast<std::size_t>(j->state) - static_cast<std::size_t>(job_state::succeeded)].add();
        total_times_.record(j->finished_ns - j->submitted_ns);
        if (j->trace && options_.traces) options_.traces->ended(*j);
        if (j->started_ns) run_times_.record(j->finished_ns - j->started_ns);
        if (j->spec->group) {
            const attempt* last = j->current();
            const bool may_run = last && last->may_run;
            leaves_group = !may_run && !runs_beside(*j);
            if (may_run && !j->due.has(deadline::hold)) j->due[deadline::hold] = clock_.now() + longest_rest(*j, *last);
        }
        const bool holds = j->due.has(deadline::hold);
        if (!holds) placed_.remove(j->placed);
        if (holds || j->beside || j->due.has(deadline::save))
            arm(*j);
        else
            timers_.disarm(*j);
    }
    if (log) log->finish();
    // Before anybody is told: who submits the next one then must find the place free.
    if (leaves_group) leave_group(*j);
    for (auto& w : waiters.calls)
        if (auto done = w.lock()) (*done)();
    if (j->ties) tell_dependents(j);
}

// The disk knows it, too, as far as the job wants that: it may be forgotten.
void job_engine::retire(const job_ptr& j) {
    std::vector<std::function<void()>> repeats;
    {
        job_lock lock(j->mutex);
        j->end_unsaved = false;
        repeats = j->repeats.take();
    }
    for (auto& acknowledge : repeats) acknowledge();
    forget(table_.finished(j));
}

void job_engine::forget(const std::vector<job_ptr>& ended) {
    std::vector<journal_record> gone;
    for (const auto& old : ended) {
        member_ptr where;
        slot_ref place;
        std::shared_ptr<job_log> log;
        farewell bye;
        past_job past;
        {
            job_lock lock(old->mutex);
            log = old->log;
            past = {old->state, {}, {}, old->submitted_ns, old->started_ns, old->finished_ns};
            if (old->end) past.exit_code = old->end->exit_code;
            if (old->end) past.why = old->end->why;
            // Nobody is left who would give back what a runner of unknown state still holds.
            if (attempt* a = old->current(); a && std::exchange(a->holds_place, false)) {
                where = a->where;
                place = a->place;
            }
            bye = forget_other(*old);
            for (const auto& a : old->attempts)
                if (a.own_log) logs_.open(old->uid, a.number)->erase();
        }
        if (where) place_free(where, place);
        say(old, bye);
        if (old->spec->group) leave_group(*old);
        if (log) log->erase();
        // It outlives the job: who asks again later must not make another one.
        if (!old->idempotency_key.empty())
            gone.push_back(keys_.retire(old->spec->tenant, old->idempotency_key, std::move(past),
                                        old->spec->keep != durability::memory, clock_.wall_ns()));
        if (old->spec->keep == durability::memory) continue;
        gone.push_back({record_kind::job, old->uid.text(), {}, SIGRUN_RECORD_DELETE});
    }
    if (!gone.empty()) store_.append(std::move(gone), false, {});
}

}  // namespace sigrun

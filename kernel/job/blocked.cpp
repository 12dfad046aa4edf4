// Jobs that are not to be looked for a runner yet, since they wait for others: first for those that they need, then for their
// time (delayed.cpp), then for a place in their group (grouping.cpp).
//
// Such a job is `blocked`: it stands in no queue. It counts among those that wait (jobs.max_waiting). Its time of timeouts.queue
// begins when it is not blocked any more; timeouts.total counts from submit.
#include "kernel/job/engine.hpp"
#include "kernel/job/need_outputs.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>

namespace sigrun {
namespace {

// How it ended, for those who need it. Under its lock.
job_ties::need as_need(const job& j) {
    job_ties::need out;
    out.job = j.uid;
    if (j.end) out.outputs = j.end->outputs;
    if (j.state == job_state::succeeded) {
        out.ended = need_end::succeeded;
        return out;
    }
    const failure why = j.end ? j.end->why : failure{};
    const bool skipped = why.code == k_not_needed;
    out.ended = skipped ? need_end::skipped : need_end::failed;
    if (skipped || why.code == k_upstream) {
        out.told = "was skipped";
        return out;
    }
    out.told = j.state == job_state::dead     ? "is dead"
               : j.state == job_state::failed ? "failed"
                                              : sdk::concat("was ", to_string(j.state));
    if (j.state == job_state::expired) out.told = "expired";
    if (j.end && j.end->exit_code && *j.end->exit_code)
        out.told += sdk::concat(" (exit code ", *j.end->exit_code, ")");
    else if (!why.message.empty())
        out.told += sdk::concat(" (", why.message, ")");
    return out;
}

ending skipped(const job_ties& ties) {
    ending how;
    how.state = job_state::cancelled;
    const bool not_needed = ties.decide() == job_ties::verdict::not_needed;
    how.why = {failure_class::cancelled, std::string(not_needed ? k_not_needed : k_upstream), ties.skipped_text()};
    return how;
}

ending without_outputs(const problem& why) {
    ending how;
    how.state = job_state::failed;
    how.why = {failure_class::user, "needs_output", "its environment refers to outputs: " + why.text()};
    return how;
}

}  // namespace

// At submit; nobody else knows the job yet.
void job_engine::block(job& j) const {
    if (j.ties && j.ties->open()) {
        j.reason = j.ties->waiting_text();
    } else if (j.spec->group && j.state == job_state::queued && j.spec->group->policy != group_policy::refuse) {
        j.reason = group_reason(j);
    } else {
        return;
    }
    j.state = job_state::blocked;
    note_demand(j);
}

// A blocked job, to the next thing it waits for.
void job_engine::go_on(const job_ptr& j) {
    bool grouped = false;
    {
        job_lock lock(j->mutex);
        if (j->state != job_state::blocked || j->settling) return;
        count_waiting(*j, true);
        const auto next = j->ties ? j->ties->decide() : job_ties::verdict::starts;
        if (next == job_ties::verdict::waits) {
            j->reason = j->ties->waiting_text();
            return arm(*j);
        }
        if (next != job_ties::verdict::starts) return finish(j, lock, skipped(*j->ties), {});
        // Better now than after a wait: later there is nobody to tell.
        if (j->ties)
            if (const auto full = with_outputs(j->spec->document, *j->ties); !full)
                return finish(j, lock, without_outputs(full.error()), {});
        if (delay_from_now(*j)) {
            publish(*j, job_state::blocked);
            return hold_until_start(*j);
        }
        grouped = j->spec->group != nullptr;
        if (grouped)
            line_up(*j);
        else
            unblock(*j);
    }
    grouped ? come_in(j) : enqueue(j);
}

// Under its lock.
void job_engine::unblock(job& j) {
    const auto from = std::exchange(j.state, job_state::queued);
    j.reason.clear();
    j.due[deadline::not_before] = {};
    waits_from(j, nanoseconds(0));
    publish(j, from);
}

// It has ended: those who need it may start, or never will.
void job_engine::tell_dependents(const job_ptr& j) {
    std::vector<id> dependents;
    job_ties::need told;
    {
        job_lock lock(j->mutex);
        dependents.swap(j->ties->dependents);
        if (!dependents.empty()) told = as_need(*j);
    }
    for (const auto& uid : dependents)
        if (auto waits = table_.find(uid)) need_ended(waits, told);
}

void job_engine::need_ended(const job_ptr& j, const job_ties::need& how) {
    {
        job_lock lock(j->mutex);
        auto& needs = j->ties->needs;
        const auto need = std::find_if(needs.begin(), needs.end(), [&](const auto& n) { return n.job == how.job; });
        if (need == needs.end() || need->ended != need_end::open) return;
        need->ended = how.ended;
        need->told = how.told;
        need->outputs = wanted_outputs(j->spec->document, need->name, how.outputs);
        if (j->state != job_state::blocked || j->settling) return;
        // The need may be forgotten before this job starts; after a restart it must not be waited for again.
        if (j->spec->keep != durability::memory) keep_saving(j, false);
    }
    go_on(j);
}

// After a restart: who needs whom, and what has happened to needs without their dependents having heard of it.
void job_engine::tie_again(const std::vector<job_ptr>& all) {
    std::vector<std::pair<job_ptr, job_ties::need>> ended;
    for (const auto& j : all) {
        std::vector<id> open;
        {
            job_lock lock(j->mutex);
            if (!j->ties || is_terminal(j->state)) continue;
            for (const auto& need : j->ties->needs)
                if (need.ended == need_end::open) open.push_back(need.job);
        }
        for (const auto& uid : open) {
            const auto need = table_.find(uid);
            if (!need) {
                ended.emplace_back(j, job_ties::need{{}, uid, need_end::unknown, "is not known any more"});
                continue;
            }
            job_lock lock(need->mutex);
            if (is_terminal(need->state))
                ended.emplace_back(j, as_need(*need));
            else if (need->ties)
                need->ties->dependents.push_back(j->uid);
        }
    }
    for (const auto& [j, how] : ended) need_ended(j, how);
}

// "waits for build (running) and test (blocked)": as it is now.
std::string job_engine::blocked_text(const job_ptr& j) const {
    job_ties now;
    {
        job_lock lock(j->mutex);
        if (j->state != job_state::blocked || j->settling) return {};
        if (j->ties) now.needs = j->ties->needs;
    }
    if (!now.open()) return j->spec->group ? group_text(*j) : std::string();
    for (auto& need : now.needs) {
        if (need.ended != need_end::open) continue;
        const auto other = table_.find(need.job);
        if (!other) continue;
        job_lock lock(other->mutex);
        need.name += sdk::concat(" (", to_string(other->state), ")");
    }
    return now.waiting_text();
}

}  // namespace sigrun

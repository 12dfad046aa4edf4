// Jobs and their concurrency groups: see run_group.hpp.
//
// Nobody is let in as long as a place is not certainly free. What a runner does that was lost nobody knows: its attempt counts
// until the runner says that it is over, or has nothing of it, or until its timeouts.run must have ended it there. The same
// job does not run again before that either, so that no more than `max` attempts of a group run at any time.
//
// A copy of a job (hedge.cpp) is the same job, and runs under its place: each place has one attempt that counts, and at most one
// beside it. The place is free when the job has ended and neither may run any more. One that was lost, or was told to stop and has
// not said that it did, stays beside the job until then (stay_beside), and there is no other copy as long.
#include "kernel/base/rfc3339.hpp"
#include "kernel/job/engine.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>

namespace sigrun {
namespace {

// Beyond timeouts.run: for the grace between TERM and KILL, and for clocks that do not tick alike.
constexpr std::chrono::seconds k_margin{60};
constexpr std::chrono::seconds k_stop_grace{10};

job_in_group member_of(const job& j) {
    return {j.uid, static_cast<std::uint8_t>(j.spec->priority), j.submitted_ns, j.spec->group->max};
}

std::string quoted_name(const run_group& group) { return "group \"" + group.name + "\""; }

}  // namespace

// Under its lock, or while nobody knows it.
std::string job_engine::group_reason(const job& j) const {
    return "waits for its turn in " + quoted_name(*j.spec->group->group);
}

// The same with all there is to say now. Under no lock.
std::string job_engine::group_text(const job& j) const {
    constexpr std::size_t k_named = 3;
    const auto& group = *j.spec->group->group;
    const auto inside = group.inside();
    const auto limit = group.limit_for(j.spec->group->max);
    const auto before = group.standing(j.uid).second;
    auto out = sdk::concat(group_reason(j), ", of which ", limit, limit == 1 ? " runs" : " run", " at once");
    if (inside.size() < limit && !before) return out + "; it is next, and its rate lets it in soon";
    for (std::size_t i = 0; i < inside.size() && i < k_named; ++i)
        out += sdk::concat(i ? ", " : "; in it: ", inside[i].text());
    if (inside.size() > k_named) out += sdk::concat(" and ", inside.size() - k_named, " more");
    return out +
           (before ? sdk::concat("; ", before, before == 1 ? " job is" : " jobs are", " before it") : "; it is next");
}

// Blocked by nothing but its group. Under its lock, so that its end, which takes it out again, comes after.
void job_engine::line_up(job& j) {
    j.reason = group_reason(j);
    count_waiting(j, true);
    arm(j);
    j.spec->group->group->line_up(member_of(j));
}

// It stands in line.
void job_engine::come_in(const job_ptr& j) {
    const auto& terms = *j->spec->group;
    auto& group = *terms.group;
    const bool newest_wins =
        terms.policy == group_policy::cancel_running || terms.policy == group_policy::cancel_waiting;
    const auto me = member_of(*j);
    if (newest_wins)
        for (const auto& uid : group.line())
            if (auto other = table_.find(uid);
                other && std::tie(other->submitted_ns, uid) < std::tie(me.since_ns, me.job))
                make_way(other, *j);
    let_in(group);
    if (terms.policy != group_policy::cancel_running || !started_) return;
    const auto inside = group.inside();
    if (std::find(inside.begin(), inside.end(), j->uid) != inside.end()) return;
    const auto limit = group.limit_for(me.max);
    // Those that are in for longest; some may be on their way out for another one, and leave room as well.
    const auto too_many = inside.size() < limit ? 0 : inside.size() + 1 - limit;
    for (std::size_t i = 0; i < too_many; ++i)
        if (const auto other = table_.find(inside[i])) make_way(other, *j);
}

// Ends an older job for a newer one, unless it is on its way out anyway.
void job_engine::make_way(const job_ptr& older, const job& newer) {
    job_lock lock(older->mutex);
    if (is_terminal(older->state) || older->settling || older->cancelling) return;
    older->stopped_for = std::make_unique<failure>(failure{
        failure_class::cancelled, "group",
        sdk::concat("job ", newer.uid.text(), " of ", quoted_name(*newer.spec->group->group), " took its place")});
    stop_job(older, lock, k_stop_grace);
}

// At submit, with policy refuse: now or never.
result<void> job_engine::come_in_now(const job& j) {
    auto& group = *j.spec->group->group;
    if (group.try_in(member_of(j), clock_.now())) return {};
    const auto inside = group.inside();
    return problem{errc::conflict, "the group is full", "group",
                   sdk::concat("fewer than ", group.limit_for(j.spec->group->max), " jobs in ", quoted_name(group)),
                   inside.empty() ? std::string("others that wait")
                                  : sdk::concat(inside.size(), ", among them ", inside.front().text())};
}

void job_engine::let_in(run_group& group) {
    if (!started_ || halted_) return;
    const auto admitted = group.admit(clock_.now());
    for (const auto& uid : admitted.in) {
        const auto j = table_.find(uid);
        if (!j) {
            group.leave(uid);
            continue;
        }
        {
            job_lock lock(j->mutex);
            if (j->state != job_state::blocked || j->settling) continue;  // its end gives the place back
            unblock(*j);
        }
        enqueue(j);
    }
    if (!admitted.again) return;
    const auto line = group.line();
    const auto next = line.empty() ? nullptr : table_.find(line.front());
    if (!next) return;
    job_lock lock(next->mutex);
    if (next->state != job_state::blocked) return;
    next->due[deadline::not_before] = *admitted.again;
    arm(*next);
}

// It has ended, or was not accepted: somebody else may come in.
void job_engine::leave_group(const job& j) {
    auto& group = *j.spec->group->group;
    group.leave(j.uid);
    let_in(group);
}

// Whether the runner may still work on an attempt that is over for us.
bool job_engine::may_still_run(const job& j, const attempt& a, const ending& how) {
    if (!j.spec->group || !a.sent || how.not_there) return false;
    const auto& code = how.why.code;
    return how.runner_unknown || code == "lost" || code == "outcome_unknown" || code == "start_timeout";
}

// As long as nobody knows better, the job counts in its group. Under its lock, as the next.
nanoseconds job_engine::longest_rest(const job& j, const attempt& a) const {
    const nanoseconds since(clock_.wall_ns() - a.finished_ns);
    return j.spec->run_timeout + k_margin - std::max(since, nanoseconds(0));
}

// It is to run again, but not beside itself.
void job_engine::hold_retry(job& j) {
    const attempt& a = *j.current();
    const auto rest = std::max(longest_rest(j, a), nanoseconds(0));
    waits_from(j, rest);
    j.due[deadline::retry] = j.waits_since;
    if (!a.holds_place) j.due[deadline::hold] = {};
    j.reason = sdk::concat("waits to run again: ", a.why.message, "; it may still run on ", a.runner_name,
                           ", and counts in ", quoted_name(*j.spec->group->group),
                           " until that runner is back, or until ", to_rfc3339(clock_.wall_ns() + rest.count()));
}

// The time is over, or the runner has nothing of the last attempt any more.
void job_engine::over_there(const job_ptr& j, job_lock& lock) {
    attempt& a = *j->current();
    if (!std::exchange(a.may_run, false) || j->settling) return;
    if (is_terminal(j->state)) {
        if (!a.holds_place) j->due[deadline::hold] = {};
        const bool leaves = !runs_beside(*j);
        lock.unlock();
        if (leaves) leave_group(*j);
        return;
    }
    if (j->state != job_state::queued || j->waiting) return;
    waits_from(*j, nanoseconds(0));
    j->due[deadline::retry] = j->waits_since;
    plan_retry(*j, is_infrastructure(a.why.cls), a.why);
    arm(*j);
}

// After a restart: a copy that the daemon does not go on with, or that was told to stop before, may still run.
void job_engine::restore_beside(job& j) {
    for (auto& each : j.attempts) {
        if (&each == j.current() || !each.may_run) continue;
        const auto rest = longest_rest(j, each);
        each.may_run = false;
        if (rest.count() <= 0 || j.beside) continue;
        each.sent = true;
        j.beside = std::make_unique<beside_attempt>();
        j.beside->number = each.number;
        stay_beside(j, rest);
        j.beside->rests = true;
        placed_.put(j.placed_beside, each.runner);
    }
}

// After a restart. True: it is not to be queued now. Under its lock.
bool job_engine::restore_in_group(job& j) {
    auto& group = *j.spec->group->group;
    const attempt* a = j.current();
    const bool may_run = a && a->may_run && longest_rest(j, *a).count() > 0;
    if (a && !may_run) j.current()->may_run = false;
    restore_beside(j);
    if (is_terminal(j.state)) {
        if (!may_run && !j.beside) return false;
        group.put_in(member_of(j));
        if (may_run) {
            placed_.put(j.placed, a->runner);
            j.due[deadline::hold] = clock_.now() + longest_rest(j, *a);
        }
        arm(j);
        return false;
    }
    if (j.state == job_state::delayed) return false;
    if (j.state != job_state::blocked) {
        group.put_in(member_of(j));
        if (!may_run || j.state != job_state::queued) return false;
        placed_.put(j.placed, a->runner);
        hold_retry(j);
        count_waiting(j, true);
        arm(j);
        return true;
    }
    // Everybody before anybody is let in: then the order is that of before.
    if (!j.ties || !j.ties->open()) line_up(j);
    return false;
}

}  // namespace sigrun

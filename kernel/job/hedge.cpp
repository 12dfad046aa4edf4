// Copies of jobs that take longer than usual. A job with `hedge` that still runs when 95 of 100 jobs of its requirement have ended
// is begun a second time, on another runner. Whoever succeeds first has done the job, and the other one is told to stop.
//
// There is one attempt that counts, as for every job (`current`); the copy stands beside it (beside.cpp) and takes its place when
// it succeeds, or when the first is lost. Only then does its token count, so that at most one result is accepted. That a copy
// fails is noted and changes nothing: a job never fails for having been hedged.
//
// After a restart of the daemon the first attempt goes on; runners that still have a copy are told to stop it.
#include "kernel/base/time_text.hpp"
#include "kernel/job/engine.hpp"
#include "kernel/job/memory_growth.hpp"
#include "kernel/log/loggers.hpp"

#include <sigrun/balancer.h>

#include <algorithm>

namespace sigrun {
namespace {

constexpr std::uint32_t k_enough_samples = 20;  // successful jobs of the requirement, to know what is usual
constexpr nanoseconds k_soonest = std::chrono::milliseconds(20);  // what is over before is not worth a copy
constexpr nanoseconds k_longest_pause = std::chrono::seconds(10);
constexpr int k_copy_tries = 4;

}  // namespace

// The live attempt runs. Under the job's lock, as the next two.
void job_engine::expect_hedge(job& j) {
    j.due[deadline::hedge] = {};
    if (!j.spec->hedge || j.beside || j.cancelling || tuned_.hedge_budget.load(std::memory_order_relaxed) <= 0) return;
    if (select_.standing(*j.spec->pred).samples < k_enough_samples) return;
    const double usual_us = select_.exec_quantile_us(*j.spec->pred, tuned_.hedge_quantile.load());
    j.due[deadline::hedge] = clock_.now() + std::max(k_soonest, nanoseconds(static_cast<std::int64_t>(usual_us * 1e3)));
}

// A free place for a copy: on none of the runners that have failed the job, and not where it runs; nor on the same machine, if
// another one matches.
bool job_engine::pick_copy(const job& j, pick_result& picked, member_ptr& where, chosen_link& rung) {
    const attempt& late = j.attempts.back();
    auto not_on = *j.failed_on;
    if (late.where) not_on.push_back(late.where);
    auto avoided = slots_to_avoid(j, std::move(not_on));
    avoided.insert(avoided.end(), j.excluded->begin(), j.excluded->end());
    const auto refuse = slots_that_refuse(j);
    avoided.insert(avoided.end(), refuse.begin(), refuse.end());
    pick_request request = wish_of(j);
    request.pred = j.spec->pred.get();
    for (int tries = 0; tries < k_copy_tries; ++tries) {
        request.excluded = avoided.data();
        request.n_excluded = static_cast<std::uint32_t>(avoided.size());
        picked = select_.pick(request);
        if (picked.outcome != pick_outcome::picked) return false;
        where = fleet_.at(picked.slot);
        // A runner of the legacy contract may not be able to stop a job.
        if (where && where != late.where && !where->info->foreign) {
            rung = fleet_.choose(where, request_for(j));
            if (rung.via) return true;
        }
        select_.release(picked.slot);
        avoided.push_back(picked.slot.slot);
    }
    return false;
}

void job_engine::hedge(const job_ptr& j, job_lock& lock) {
    const bool runs = j->state == job_state::running || j->state == job_state::uploading;
    const attempt* late = j->live();
    if (!late || !runs || j->cancelling || j->settling || j->beside || !j->spec->hedge) return arm(*j);
    const nanoseconds usual(
        static_cast<std::int64_t>(select_.exec_quantile_us(*j->spec->pred, tuned_.hedge_quantile.load()) * 1e3));
    // What hinders it now may be over in a while.
    j->due[deadline::hedge] = clock_.now() + std::clamp(usual, k_soonest, k_longest_pause);
    if (select_.load(*j->spec->pred) > tuned_.hedge_max_load.load()) {
        hedges_.busy.add();
        return arm(*j);
    }
    if (!hedge_budget_.take(static_cast<std::uint64_t>(offers_.value()), tuned_.hedge_budget.load())) {
        hedges_.over_budget.add();
        return arm(*j);
    }
    pick_result picked;
    member_ptr where;
    chosen_link rung;
    if (!pick_copy(*j, picked, where, rung)) {
        hedge_budget_.give_back();
        hedges_.no_place.add();
        return arm(*j);
    }
    j->due[deadline::hedge] = {};
    picked.explain.reason = SIGRUN_WHY_RUN_HEDGE;
    const auto number = begin_copy(*j, where, rung, picked);
    SIGRUN_LOG(logs::jobs, debug, "job ", j->uid.text(), " takes longer than usual; a copy goes to ",
               where->info->identity.name);
    hedges_.begun.add();
    arm(*j);
    // Its token is on the disk before the offer leaves, as that of any attempt.
    if (j->spec->keep == durability::fsync) return keep_saving(j, true, [this, j, number] { send_copy(j, number); });
    if (j->spec->keep == durability::relaxed) keep_saving(j, false);
    lock.unlock();
    send_copy(j, number);
}

std::uint32_t job_engine::begin_copy(job& j, const member_ptr& where, const chosen_link& rung,
                                     const pick_result& picked) {
    forget_old_attempts(j);
    attempt& a = *j.attempts.insert(j.attempts.end() - 1, attempt{});
    describe_attempt(j, a, where, rung, picked);
    a.hedge = a.own_log = true;
    if (traces_this_one(*j.spec)) trace(j, a);
    a.counted = true;
    budget_.began(*j.spec->cls);
    j.beside = std::make_unique<beside_attempt>();
    j.beside->number = a.number;
    j.beside->offer_deadline = clock_.now() + options_.offer_timeout;
    placed_.put(j.placed_beside, a.runner);
    return a.number;
}

void job_engine::send_copy(const job_ptr& j, std::uint32_t number) {
    link_ptr via;
    std::string token;
    buffer_ref payload;
    double growth = 1;
    {
        job_lock lock(j->mutex);
        if (const attempt* live = j->live(); live && live->number == number) {
            // The first was lost this very moment.
            lock.unlock();
            return send_offer(j, number);
        }
        attempt* a = j->other();
        if (!a || a->number != number || j->beside->leaving || halted_) return;
        via = a->via;
        token = a->token;
        payload = j->payload;
        growth = memory_growth(*j);
        a->sent = true;
        a->sent_at = clock_.now();
    }
    const auto r = execute(*j, {number, via, token, payload, growth});
    job_lock lock(j->mutex);
    attempt* a = j->other();
    const bool mine = a && a->number == number && !j->beside->leaving;
    if (mine && r < 0) {
        const auto bye = let_go(
            *j, attempt_state::refused,
            {failure_class::refused, r == SIGRUN_E_BUSY ? "busy" : "link", "the offer could not be sent"}, {}, false);
        arm(*j);
        lock.unlock();
        return say(j, bye);
    }
    // It may be the one that counts by now. Told to stop meanwhile, that may have overtaken the offer on its way.
    const attempt* live = j->live();
    if (mine || (live && live->number == number && !j->cancelling)) return;
    lock.unlock();
    farewell again;
    again.via = via;
    again.number = number;
    again.token = token;
    say(j, again);
}

}  // namespace sigrun

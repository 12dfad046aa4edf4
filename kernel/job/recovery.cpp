// Continuity: after a runner lost its connection.
#include "kernel/job/engine.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>

namespace sigrun {

std::vector<verdict> job_engine::reconcile(const member_ptr& who, const std::vector<inventory_item>& inventory,
                                           bool restarted) {
    std::vector<verdict> verdicts;
    listed_attempts listed;
    bool returned = false;
    for (const auto& item : inventory) {
        const bool refused = item.state == "refused", finished = refused || item.state == "finished";
        verdict v;
        v.kind = finished ? verdict::forget : verdict::kill;
        auto uid = id::parse(item.job);
        job_ptr j = uid ? table_.find(*uid) : nullptr;
        if (j) {
            job_lock lock(j->mutex);
            const bool returns = may_return(*j, item.token);
            if (returns) take_up_again(*j);
            returned |= returns;
            attempt* a = j->live();
            if (a && a->token == item.token && refused && j->state != job_state::offered) {
                // Nobody can refuse what runs: it is not there.
            } else if (a && a->token == item.token) {
                listed.emplace(j.get(), a->number);
                if (!j->settling) keep(*j, *a, who, item, v);
                // Its end is on the way to the disk: what the runner says again is acknowledged then.
                if (finished) v.kind = verdict::report;
                if (returns && j->spec->keep != durability::memory) keep_saving(j, false);
            } else if (keep_other(*j, who, item, v)) {
                listed.emplace(j.get(), j->other()->number);
            } else if (finished && j->end_unsaved && j->current()->token == item.token) {
                v.kind = verdict::report;
            } else if (attempt* over = on_its_way_out(*j, item.token)) {
                if (finished)
                    over->via.reset();  // it is as if it were not listed
                else
                    listed.emplace(j.get(), over->number);  // it is told to stop, and will say when it has
            }
        }
        verdicts.push_back(v);
    }
    for (const auto& j : placed_.on(who->info->uid())) not_listed(j, who, restarted, listed);
    if (returned) wake_retries();
    return verdicts;
}

// The attempt with that token that is over for us, but has a place, there or in its group, until it is over there, too.
attempt* job_engine::on_its_way_out(job& j, std::string_view token) {
    for (attempt* a : {j.other(), j.current()})
        if (a && (a->may_run || a->holds_place) && a->token == token) return a;
    return nullptr;
}

// The runner has the attempt: it goes on over the link that said so.
void job_engine::keep(job& j, attempt& a, const member_ptr& who, const inventory_item& item, verdict& v) {
    v.kind = verdict::keep;
    if (!j.output() && item.log_bytes) j.log = logs_.open(j.uid, home_of(j));
    v.log_offset = log_offset_of(j);
    a.where = who;
    a.runner = who->info->uid();
    placed_.put(j.placed, a.runner);
    a.runner_name = who->info->identity.name;
    a.kept = true;
    claim_again(a);
    if (item.state == "refused") return arm(j);  // it says so next, and the job goes elsewhere
    mark_running(j);
    j.due[deadline::start] = {};
    if (item.waits_to_start) expect_start(j);
    if (!j.due.has(deadline::hedge)) expect_hedge(j);
    arm(j);
}

void job_engine::claim_again(attempt& a) {
    if (a.holds_place) return;
    std::lock_guard guard(a.where->mutex);
    if (!a.where->indexed) return;
    a.place = a.where->slot;
    select_.claim_existing(a.place);
    a.holds_place = true;
}

// The offer left over a link that is gone, its runner never said a word about it, and is here over another one.
bool job_engine::never_arrived(const attempt& a) {
    if (a.state != attempt_state::offered || !a.where || (a.via && a.via->alive())) return false;
    std::lock_guard guard(a.where->mutex);
    return std::any_of(a.where->sessions.begin(), a.where->sessions.end(),
                       [](const auto& session) { return session.via->alive(); });
}

// What is believed to be on this runner, but is not in its inventory.
void job_engine::not_listed(const job_ptr& j, const member_ptr& who, bool restarted, const listed_attempts& listed) {
    const auto misses = [&](const attempt* a) {
        return a && a->runner == who->info->uid() && !listed.contains({j.get(), a->number});
    };
    job_lock lock(j->mutex);
    if (misses(j->other())) {
        other_not_listed(j, lock, restarted);
        if (!lock) lock.lock();
    }
    attempt* a = j->current();
    if (!misses(a)) return;
    if (is_terminal(j->state) || (j->settling && a->holds_place)) {
        // Nobody knew whether it still ran there. It does not; its end may be on its way to the disk yet.
        const bool held = std::exchange(a->holds_place, false);
        const auto place = a->place;
        if (held) j->due[deadline::hold] = {};
        if (a->may_run) over_there(j, lock);
        if (lock) lock.unlock();
        if (held) place_free(who, place);
        return;
    }
    // Over another link of the same process the offer, or the result, may be on its way.
    if (a && a->may_run) return over_there(j, lock);
    if (!j->live() || j->settling || !a->sent || (!restarted && a->via && a->via->alive())) return;
    if (j->state == job_state::offered && j->spec->idempotent) {
        // The same process came back without it: it goes there again with its token, and counts as one attempt.
        if (!restarted && !j->cancelling && a->where == who && j->due[deadline::offer] > clock_.now()) {
            a->missing = true;
            return;
        }
        auto number = a->number;
        lock.unlock();
        return take_back(j, number, attempt_state::lost,
                         {failure_class::infra_runner, "lost", "the offer never arrived"}, false);
    }
    ending how;
    how.why = {failure_class::infra_runner, "lost", "the runner came back without the job"};
    how.not_there = true;
    if (!j->spec->idempotent) how.why.code = "outcome_unknown";
    attempt_ended(j, lock, std::move(how));
}

void job_engine::on_session(const member_ptr& who, const link_ptr& via, const std::string& why) {
    for (const auto& j : placed_.on(who->info->uid())) {
        job_lock lock(j->mutex);
        bind_other(*j, who, via, why);
        attempt* a = j->live();
        if (!a || j->settling || a->runner != who->info->uid()) continue;
        if (who->info->foreign) {
            if (a->via && a->via->alive()) continue;
            a->where = who;
            a->foreign = true;
            claim_again(*a);
            attach(j, lock, via);
            continue;
        }
        if (a->where != who) continue;
        if (std::exchange(a->missing, false) && j->state == job_state::offered && !j->cancelling) {
            goes_over(*a, via, why);
            j->due[deadline::offer] = clock_.now() + options_.offer_timeout;
            j->due[deadline::lease] = {};
            arm(*j);
            auto number = a->number;
            lock.unlock();
            send_offer(j, number);
            continue;
        }
        if (!std::exchange(a->kept, false)) continue;
        goes_over(*a, via, why);
        claim_again(*a);
        j->reason.clear();
        if (j->cancelling) {
            // The first CANCEL may have gone down with the old link; from this one on the runner has its time to answer.
            j->due[deadline::lease] = clock_.now() + j->cancel_grace + tuned_.lease.load();
            arm(*j);
            send_cancel(j, lock);
            continue;
        }
        j->due[deadline::lease] = {};
        arm(*j);
    }
    // It may have been lost before its attempts were bound to it: nobody says so again.
    if (!via->alive()) on_link_lost(who, via);
}

// A foreign runner has no inventory; its plugin looks for the attempt by its id.
void job_engine::attach(const job_ptr& j, job_lock& lock, const link_ptr& via) {
    attempt& a = *j->live();
    a.via = via;
    j->due[deadline::lease] = {};
    arm(*j);
    auto number = a.number;
    std::string token = a.token;
    const auto offset = log_offset_of(*j);
    lock.unlock();
    auto uid = j->uid.chars();
    sigrun_attempt which{sizeof(sigrun_attempt), number, {uid.data(), uid.size()}, sdk::str(token)};
    via->attach(which, offset, [this, j, via, number](result<buffer_ref> found) {
        job_lock inner(j->mutex);
        attempt* now = j->live();
        if (found || !now || now->number != number || j->settling) return;
        if (!via->alive()) {
            // Not the runner's answer: the link was lost before there was one.
            auto who = now->where;
            inner.unlock();
            return on_link_lost(who, via);
        }
        ending how;
        how.why = {failure_class::infra_runner, "lost",
                   "the runner is back, but the job cannot be found there: " + found.error().text()};
        how.not_there = true;
        if (!j->spec->idempotent) how.why.code = "outcome_unknown";
        attempt_ended(j, inner, std::move(how));
    });
}

void job_engine::on_link_lost(const member_ptr& who, const link_ptr& via) {
    const auto now = clock_.now();
    const auto patience = fleet_.fallback_timeout();
    // Its lease runs since it was heard of last: a link that was given up for its silence has used it up.
    time_point heard = now;
    {
        std::lock_guard guard(who->mutex);
        if (who->sessions.empty() && who->unlinked_since != time_point{}) heard = who->unlinked_since;
    }
    const auto lease_over = std::max(heard + std::max(tuned_.lease.load(), patience), now);
    for (const auto& j : placed_.on(who->info->uid())) {
        job_lock lock(j->mutex);
        other_link_lost(*j, who, via, lease_over);
        attempt* a = j->live();
        if (!a || a->where != who || a->via != via) continue;
        a->via.reset();
        j->due[deadline::start] = {};  // from here on its lease counts
        if (!j->cancelling) j->due[deadline::lease] = lease_over;
        // The runner has this long to come over another way; then the offer is void.
        if (j->state == job_state::offered && j->spec->idempotent && !a->foreign)
            j->due[deadline::offer] = now + patience;
        arm(*j);
    }
    placed_.tidy(who->info->uid());
}

}  // namespace sigrun

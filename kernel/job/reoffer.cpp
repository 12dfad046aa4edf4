// A runner that does not answer its offer within the time in which 99 of 100 answers come loses it to another one. The token
// is revoked first, so a late answer is refused; and only where the job may run twice, for who did not answer may run it.
#include "kernel/base/time_text.hpp"
#include "kernel/job/engine.hpp"
#include "kernel/log/loggers.hpp"

#include <sigrun/balancer.h>

#include <algorithm>

namespace sigrun {
namespace {

constexpr std::uint32_t k_samples = 20;
constexpr double k_usual = 0.99;
// At most one extra offer for 50 offers, ten at once.
constexpr int k_extra = 50, k_extra_most = 10 * k_extra;

}  // namespace

// Under the job's lock, as is all of this.
void job_engine::note_ack(job& j, attempt& a) {
    if (a.sent_at == time_point{}) return;
    const auto took = clock_.now() - a.sent_at;
    if (auto* record = a.where ? a.where->rungs.find(a.rung) : nullptr) record->evidence.answered(took);
    if (!a.foreign) j.spec->cls->note_ack(took, k_usual, k_samples);
}

void job_engine::expect_ack(job& j) {
    if (!tuned_.early_reoffer.load(std::memory_order_relaxed)) return;
    if (extra_offers_.load(std::memory_order_relaxed) < k_extra_most)
        extra_offers_.fetch_add(1, std::memory_order_relaxed);
    const nanoseconds usual(j.spec->cls->usual_ack_ns.load(std::memory_order_relaxed));
    if (!usual.count() || !j.spec->idempotent || j.spec->group || j.current()->foreign ||
        usual >= options_.offer_timeout)
        return;
    j.due[deadline::reoffer] = clock_.now() + usual;
    arm(j);
}

void job_engine::offer_another(const job_ptr& j, job_lock& lock) {
    attempt& late = *j->live();
    if (!late.sent || late.rerouted || late.missing || j->cancelling) return arm(*j);
    if (extra_offers_.fetch_sub(k_extra) < k_extra) {
        extra_offers_.fetch_add(k_extra);
        return arm(*j);
    }
    // Somebody else, or nobody: the first may still answer.
    const auto kept = j->reason.text();
    const member_ptr slow = late.where;
    j->failed_on.make().push_back(slow);
    pick_result picked;
    member_ptr where;
    chosen_link rung;
    bool found = others_could_run(*j) && pick_rung(*j, picked, where, rung);
    if (found && where == slow) {
        select_.release(picked.slot);
        found = false;
    }
    j->failed_on.make().pop_back();
    if (found && j->excluded->size() < 64) j->excluded.make().push_back(late.explain.slot);
    if (!found) {
        j->reason = kept;
        extra_offers_.fetch_add(k_extra);
        return arm(*j);
    }
    const auto waited = clock_.now() - late.sent_at;
    // It counts as an answer that takes at least so long: else only the quick ones would, and the limit would sink.
    j->spec->cls->note_ack(waited, k_usual, k_samples);
    late.state = attempt_state::lost;
    late.finished_ns = clock_.wall_ns();
    late.why = {failure_class::infra_runner, "late_ack",
                "the runner did not answer the offer within " + span_of_time(waited.count()) + "; others do"};
    ending how;
    how.why = late.why;
    learn(*j, late, how);  // one that never answers must be found out, too
    count_end(*j, late);
    const auto via = std::move(late.via);
    const auto token = late.token;
    const auto number = late.number;
    const member_ptr from = std::exchange(late.holds_place, false) ? late.where : nullptr;
    const slot_ref place = late.place;
    SIGRUN_LOG(logs::jobs, debug, "the offer of ", j->uid.text(), " to ", late.runner_name,
               " goes to another: ", late.why.message);
    reoffers_.add();
    j->state = job_state::queued;
    publish(*j, job_state::offered);
    picked.explain.reason = SIGRUN_WHY_EARLY_REOFFER;
    begin_attempt(j, where, rung, picked);
    store_offer(j, lock);
    auto uid = j->uid.chars();
    sigrun_attempt which{sizeof(sigrun_attempt), number, {uid.data(), uid.size()}, sdk::str(token)};
    if (via) via->cancel(which, nanoseconds(0));
    if (from) place_free(from, place);
}

}  // namespace sigrun

// The queue for what finds no place now, and who gives it out again.
#include "kernel/job/engine.hpp"
#include "kernel/job/runner_place.hpp"

#include <set>

namespace sigrun {
namespace {

constexpr int k_max_misses = 4;
constexpr std::size_t k_most_passed = 256;  // kinds of jobs that are asked about one place
constexpr std::size_t k_sweep_lanes = 1'000;

}  // namespace

void job_engine::enqueue(const job_ptr& j) {
    if (started_ && try_dispatch(j)) return wake_retries();
    slot_ref slot;
    {
        job_lock lock(j->mutex);
        if (j->state != job_state::queued || j->waiting) return;
        park(*j);
        if (!started_ || !place_for(*j, slot)) return;
    }
    pump(slot);
}

// Its wait for a place begins so much later than now, and with it the time of timeouts.queue.
void job_engine::waits_from(job& j, nanoseconds later) const {
    j.waits_since = clock_.now() + later;
    j.waits_since_ns = clock_.wall_ns() + later.count();
    j.due[deadline::queue] = j.spec->queue_timeout.count() ? j.waits_since + j.spec->queue_timeout : time_point{};
}

void job_engine::park(job& j) {
    j.waiting = true;
    arm(j);
    count_waiting(j, true);
    wait_terms terms;
    terms.pred = j.spec->pred;
    terms.protocols = fleet_.mask_of(j.spec->protocol);
    terms.tenant = j.spec->tenant_account;
    terms.band = static_cast<std::uint8_t>(j.spec->priority);
    terms.since = j.waits_since;
    if (j.due.has(deadline::queue)) terms.deadline = j.due[deadline::queue];
    terms.seq = j.queue_seq;
    terms.source = j.spec->source_zone;
    terms.balancer = j.spec->balancer_id;
    if (!j.failed_on->empty() && others_could_run(j)) terms.not_on = slots_that_failed(j);
    const auto refuse = slots_that_refuse(j);
    terms.not_on.insert(terms.not_on.end(), refuse.begin(), refuse.end());
    j.demand.move(j.spec->demand.get(), demand_kind::queued, terms.since, !terms.not_on.empty());
    queue_.push(j.shared_from_this(), std::move(terms));
}

// Once while it waits, wherever: in the queue, or for the disk to have it. Under its lock, or while nobody knows it.
void job_engine::count_waiting(job& j, bool waits) noexcept {
    note_demand(j);
    if (std::exchange(j.counted, waits) == waits) return;
    const std::uint64_t one = waits ? 1 : ~0ull;
    waiting_.fetch_add(one, std::memory_order_relaxed);
    j.spec->queue_account->waiting.fetch_add(one, std::memory_order_relaxed);
    j.spec->tenant_account->waiting.fetch_add(one, std::memory_order_relaxed);
}

// After its state has changed. While it waits for a place `park` has counted it, and one that was just taken out of the queue is
// about to be placed: it counts as before until it is, or is parked again. Under its lock, or while nobody knows it.
void job_engine::note_demand(job& j) noexcept {
    if (j.waiting) return;
    const auto kind = [&] {
        if (j.settling || is_terminal(j.state)) return demand_kind::none;
        switch (j.state) {
            case job_state::delayed: return demand_kind::delayed;
            case job_state::blocked: return demand_kind::blocked;
            case job_state::queued:
                return j.denied || j.due.has(deadline::retry) ? demand_kind::retrying : demand_kind::none;
            default: return demand_kind::running;
        }
    };
    j.demand.move(j.spec->demand.get(), kind());
}

// Between a pick that found nothing and the push into the queue a place may have become free, and whoever freed it
// has not seen the job: look once more.
bool job_engine::place_for(job& j, slot_ref& out) {
    pick_result picked;
    if (!j.waiting || !pick_for(j, picked)) return false;
    select_.release(picked.slot);
    out = picked.slot;
    return true;
}

// Gives waiting jobs to a runner that has a free place, best first. Those that would rather wait for a place nearer to them do
// not hold back the others.
void job_engine::pump(slot_ref slot, bool freed) {
    if (!started_) return;
    passed_lanes passed;
    for (int misses = 0; misses < k_max_misses && passed.size() < k_most_passed;) {
        const auto open = select_.open_protocols(slot);
        if (!open) return;
        runner_place place(select_, slot, open);
        // Parked while a protocol had to be named, and it need not be any more.
        place.read_as(k_auto_protocol, fleet_.mask_of("auto"));
        const auto j = std::static_pointer_cast<job>(queue_.pop(place, clock_.now(), passed));
        if (!j) return;
        {
            job_lock lock(j->mutex);
            j->waiting = false;
        }
        if (try_dispatch(j, freed)) continue;
        job_lock lock(j->mutex);
        // Somebody was faster, or the link broke. If the former, the place may be free again, here or elsewhere.
        misses += !j->rather_waits;
        if (j->state != job_state::queued || j->waiting) continue;
        park(*j);
        slot_ref other;
        if (place_for(*j, other)) {
            slot = other;
            passed.clear();
            ++misses;
        } else if (j->rather_waits) {
            queue_.pass(*j, passed);
        }
    }
}

// What every wake-up missed, if any did, and what waits for facts that time alone makes known or unknown.
void job_engine::sweep() {
    wake_retries();
    constexpr std::size_t k_keys_at_once = 10'000;
    if (auto gone = keys_.expire(clock_.wall_ns(), k_keys_at_once); !gone.empty())
        store_.append(std::move(gone), false, {});
    constexpr std::size_t k_forgotten_at_once = 1'000;  // their logs are files, and this is the timers' thread
    if (const auto age = tuned_.keep_finished_for.load(); age.count())
        forget(table_.ended_before(clock_.wall_ns() - age.count(), k_forgotten_at_once));
    if (!queue_.size()) return;
    std::set<std::string> keys;
    for (const auto& w : queue_.heads(k_sweep_lanes)) {
        const auto j = std::static_pointer_cast<job>(w);
        slot_ref slot;
        {
            job_lock lock(j->mutex);
            if ((!j->failed_on->empty() || !j->refusers->empty()) && j->waiting) {
                // It may have waited for others than the one that failed or refused it, and there are none any more.
                queue_.remove(*j);
                j->waiting = false;
                forget_refusers(*j);
                lock.unlock();
                enqueue(j);
                continue;
            }
            if (!place_for(*j, slot)) {
                const auto& asked = j->spec->requirement->keys();
                keys.insert(asked.begin(), asked.end());
                continue;
            }
        }
        pump(slot, false);
    }
    // A fact such as free memory is known for seconds only; it is asked for while a job waits for it.
    fleet_.freshen({keys.begin(), keys.end()});
}

void job_engine::on_capacity(slot_ref slot) { pump(slot); }

}  // namespace sigrun

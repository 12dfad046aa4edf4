// How many retries there are at once: see retry_budget.hpp.
#include "kernel/job/engine.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>

namespace sigrun {
namespace {

// A retry that has run for so long, and twice as long as those that failed, is an attempt like others: an outage that is over
// must not let jobs wait for hours for the end of the first ones.
constexpr nanoseconds k_proof_least = std::chrono::seconds(10), k_proof_most = std::chrono::minutes(5);

}  // namespace

// Under the job's lock, as all of these but the last.
void job_engine::count_end(job& j, attempt& a) {
    if (std::exchange(a.counted, false)) budget_.ended(*j.spec->cls);
    // Lost is no word of the runner's: it says nothing of how soon the job fails there.
    if (!is_infrastructure(a.why.cls) || a.why.code == "lost" || !a.started_ns) return;
    const std::int64_t lived = std::max<std::int64_t>(a.finished_ns - a.started_ns, 0);
    const std::int64_t usual = j.spec->cls->fails_after_ns;
    j.spec->cls->fails_after_ns = usual ? usual + (lived - usual) / 4 : lived;
}

void job_engine::release_retry(job& j) {
    if (std::exchange(j.holds_retry, false)) budget_.give(*j.spec->cls);
}

// It is queued, and due to be retried after its backoff.
void job_engine::plan_retry(job& j, bool budgeted, const failure& why) {
    j.reason = "waits to run again: " + why.message;
    if (!budgeted) return;
    j.holds_retry = budget_.take(j.spec->cls, j.shared_from_this());
    if (j.holds_retry) return;
    j.denied = true;
    j.due[deadline::backoff] = j.due.at(deadline::retry);
    j.due[deadline::retry] = {};
    const auto [retries, attempts] = budget_.in_all();
    j.reason = sdk::concat("waits to run again until fewer jobs do (jobs.retry_budget; ", retries,
                           " retries under way, and ", attempts, " other attempts): ", why.message);
}

void job_engine::expect_proof(job& j) {
    if (!j.holds_retry) return;
    const nanoseconds usual(j.spec->cls->fails_after_ns.load());
    j.due[deadline::proven] = clock_.now() + std::clamp(2 * usual, k_proof_least, k_proof_most);
}

// Under no job's lock.
void job_engine::wake_retries() {
    if (!budget_.denied_some()) return;
    for (const auto& w : budget_.ready()) {
        const auto j = std::static_pointer_cast<job>(w);
        job_lock lock(j->mutex);
        if (!std::exchange(j->denied, false) || j->state != job_state::queued || j->settling) {
            budget_.give(*j->spec->cls);
            continue;
        }
        j->holds_retry = true;
        j->due[deadline::retry] = std::max(j->due.at(deadline::backoff), clock_.now());
        arm(*j);
    }
}

}  // namespace sigrun

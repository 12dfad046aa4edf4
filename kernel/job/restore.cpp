// Continuity: after a restart of the daemon.
#include "kernel/job/engine.hpp"
#include "kernel/job/job_json.hpp"
#include "kernel/job/log_syncer.hpp"
#include "kernel/job/spec_secrets.hpp"
#include "kernel/log/loggers.hpp"

#include <algorithm>
#include <utility>

namespace sigrun {
namespace {

// Not an offer that was taken back: that says little of the runner.
bool failed_there(const attempt& a) {
    const bool over = a.state == attempt_state::failed || a.state == attempt_state::lost;
    return over && a.started_ns && is_infrastructure(a.why.cls);
}

}  // namespace

void job_engine::restore_job(std::string_view key, std::string_view body) {
    auto view = parse_job_record(body);
    auto uid = id::parse(key);
    if (!view || !uid) {
        SIGRUN_LOG(logs::jobs, error, "job record ", key,
                   " is damaged and skipped: ", view ? "no id" : view.error().text());
        return;
    }
    const auto clear = reveal_secrets(view->document, view->sealed_secrets, options_.defaults.secrets.get());
    auto spec = clear ? spec_of(*clear, tuned_.changes.load()) : result<spec_ptr>(clear.error());
    std::string refused;
    if (!spec) {
        // Valid when it was submitted, not with today's plugins: keep it visible.
        refused = spec.error().text();
        auto bare = std::make_shared<job_spec>();
        bare->document = view->document;
        if (!clear) bare->secrets_lost = refused;
        bare->sealed_secrets = view->sealed_secrets;
        bare->requirement = requirement::compile("").value();
        bare->pred = select_.intern(bare->requirement);
        bare->queue_account = options_.defaults.queues->find(bare->queue);
        bare->tenant_account = options_.defaults.tenants->find(bare->tenant);
        bare->cls = options_.defaults.classes->of(bare->pred);
        spec = spec_ptr(bare);
    }
    auto j = std::make_shared<job>(*this, *uid, *spec);
    j->payload = view->payload ? view->payload : (*spec)->payload;
    j->affinity_key = affinity_of(**spec, {});
    j->state = view->state;
    j->reason = view->reason;
    j->attempts = std::move(view->attempts);
    give_up_copies(*j);
    j->user_tries = view->user_tries;
    j->infrastructure_tries = view->infrastructure_tries;
    j->start_ns = view->start_ns;
    j->retry_of = view->retry_of;
    j->ties = std::move(view->ties);
    j->trace = job_trace::from_text(view->trace);
    j->submitted_ns = view->submitted_ns;
    j->started_ns = view->started_ns;
    j->finished_ns = view->finished_ns;
    j->end = std::move(view->end);
    if (j->end && view->artifacts)
        j->end->artifacts = std::make_shared<const artifact_set>(options_.artifacts, std::move(*view->artifacts));
    j->idempotency_key = view->key;
    j->key_saved = true;
    j->waits_since_ns = view->waits_since_ns;
    restored_.push_back({std::move(j), std::move(refused)});
}

// In the order of submission. True: it is to be queued.
bool job_engine::take_up(const job_ptr& j, const std::string& refused) {
    j->queue_seq = next_seq_.fetch_add(1);
    // A wait goes on where it was; a clock that was set back meanwhile must not hold a job for longer than a backoff does.
    const auto* last = j->current();
    auto since = j->waits_since_ns;
    if (!since) since = last && last->finished_ns ? last->finished_ns : j->submitted_ns;
    waits_from(*j, std::min<nanoseconds>(nanoseconds(since - clock_.wall_ns()), std::chrono::minutes(1)));
    if (j->state == job_state::delayed) {
        const nanoseconds left(j->start_ns - clock_.wall_ns());
        waits_from(*j, left);
        j->due[deadline::not_before] = j->waits_since;
        if (left.count() <= 0) j->state = job_state::queued;
    } else if (j->waits_since > clock_.now()) {
        j->due[deadline::retry] = j->waits_since;
    }
    if (j->spec->total_timeout.count() && !is_terminal(j->state))
        j->due[deadline::total] = clock_.now() + std::max(left_of_total(*j), nanoseconds(0));
    expect_signature_end(*j);
    // A relaxed job's attempt may have written without being known to the disk; the next one begins behind it.
    if (!j->attempts.empty() || j->spec->keep == durability::relaxed)
        if (auto log = logs_.open(j->uid); log->size()) j->log = std::move(log);
    table_.insert(j);
    job_lock lock(j->mutex);
    if (j->spec->group && refused.empty() && restore_in_group(*j)) return false;
    if (is_terminal(j->state)) {
        lock.unlock();
        forget(table_.finished(j));
        return false;
    }
    if (!refused.empty()) {
        ending how;
        how.why = {failure_class::infra_controller, "document", "cannot be run any more: " + refused};
        finish(j, lock, std::move(how), {});
        return false;
    }
    if (j->state == job_state::delayed) {
        hold_until_start(*j);
        return false;
    }
    if (j->state == job_state::blocked) {
        count_waiting(*j, true);
        arm(*j);
        return false;
    }
    if (j->state == job_state::queued) return true;
    // It may be running: its runner has a grace to come back and say so.
    for (auto& a : j->attempts) a.sent = true;
    if (auto* a = j->current()) {
        placed_.put(j->placed, a->runner);
        a->counted = true;
        budget_.began(*j->spec->cls);
    }
    if (j->state != job_state::offered || !j->spec->idempotent) j->state = job_state::running;
    j->reason.clear();
    if (const auto* a = j->current()) {
        if (a->own_log) j->own_log = logs_.open(j->uid, a->number);
        if (!j->log && !a->own_log) j->log = logs_.open(j->uid);
        j->output()->resume_attempt(a->log_begin);
    }
    j->due[deadline::lease] = clock_.now() + options_.restart_grace;
    note_demand(*j);
    arm(*j);
    return false;
}

// Whoever still runs one is told to stop when it comes: its token is not that of the attempt that counts.
void job_engine::give_up_copies(job& j) const {
    for (auto& a : j.attempts) {
        const bool over = a.state != attempt_state::offered && a.state != attempt_state::running;
        if (over || &a == j.current()) continue;
        a.may_run = j.spec->group != nullptr;
        a.state = attempt_state::cancelled;
        a.finished_ns = clock_.wall_ns();
        a.why = {failure_class::cancelled, "restart", "the daemon was restarted, and goes on with the first attempt"};
    }
}

void job_engine::restore_key(std::string_view key, std::string_view body) { keys_.restore(key, body); }

// Where the job failed before the restart it goes only if there is nobody else.
void job_engine::remember_failures(job& j) {
    job_lock lock(j.mutex);
    if (is_terminal(j.state)) return;
    for (const auto& a : j.attempts)
        if (failed_there(a))
            if (auto where = fleet_.find(a.runner.text())) j.failed_on.make().push_back(*where);
}

// What failed for the infrastructure waits its time. False: for longer than that, as the budget has no retry for it.
bool job_engine::may_be_queued(job& j) {
    job_lock lock(j.mutex);
    const attempt* last = j.current();
    if (last && failed_there(*last)) plan_retry(j, true, last->why);
    if (!j.denied) return true;
    note_demand(j);
    arm(j);
    return false;
}

void job_engine::start() {
    auto restored = std::exchange(restored_, {});
    const auto older = [](const auto& a, const auto& b) { return a.job->uid < b.job->uid; };
    std::sort(restored.begin(), restored.end(), older);
    std::vector<job_ptr> all, to_queue;
    all.reserve(restored.size());
    table_.reserve(restored.size());
    for (const auto& each : restored) {
        if (take_up(each.job, each.refused)) to_queue.push_back(each.job);
        all.push_back(each.job);
    }
    restored = {};
    // Of jobs that lived in memory only, and of those whose record was deleted a moment before a crash.
    if (auto n = logs_.remove_unknown([this](const id& uid) { return table_.find(uid) != nullptr; }))
        SIGRUN_LOG(logs::jobs, info, n, " logs of jobs that are no longer known were removed");
    if (auto gone = keys_.remove_orphans([this](const id& uid) { return table_.find(uid) != nullptr; }); !gone.empty())
        store_.append(std::move(gone), false, {});
    for (const auto& j : all) {
        // Output that the former life had not brought there yet; until then its runner would have to send it again.
        if (j->log && !is_terminal(j->state) && j->spec->keep == durability::fsync) logs_.syncer().sync(j->log, [] {});
        if (!j->attempts.empty()) remember_failures(*j);
    }
    started_ = true;
    for (const auto& j : to_queue)
        if (may_be_queued(*j)) enqueue(j);
    tie_again(all);
    for (const auto& j : all) go_on(j);
    timers_.arm(sweeper_, clock_.now() + std::chrono::seconds(1));
}

}  // namespace sigrun

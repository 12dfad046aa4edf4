// Continuity: after a restart of the daemon, and after a runner lost its connection.
#include "kernel/job/engine.hpp"
#include "kernel/job/job_json.hpp"
#include "kernel/log/log.hpp"

#include <algorithm>

namespace sigrun {
namespace {
const auto k_log = logger::get("jobs");
}

void job_engine::restore_job(std::string_view key, std::string_view body) {
    auto view = parse_job_record(body);
    auto uid = id::parse(key);
    if (!view || !uid) {
        SIGRUN_LOG(k_log, error, "job record ", key, " is damaged and skipped: ", view ? "no id" : view.error().text());
        return;
    }
    auto spec = parse_job_spec(view->document, select_, options_.defaults);
    std::string refused;
    if (!spec) {
        // Valid when it was submitted, not with today's plugins: keep it visible.
        refused = spec.error().text();
        auto bare = std::make_shared<job_spec>();
        bare->document = view->document;
        spec = spec_ptr(bare);
    }
    auto j = std::make_shared<job>(*this, *uid, *spec);
    j->payload = view->payload ? view->payload : (*spec)->payload;
    j->state = view->state;
    j->reason = view->reason;
    j->attempts = std::move(view->attempts);
    j->user_tries = view->user_tries;
    j->infrastructure_tries = view->infrastructure_tries;
    j->submitted_ns = view->submitted_ns;
    j->started_ns = view->started_ns;
    j->finished_ns = view->finished_ns;
    j->end = std::move(view->end);
    j->idempotency_key = view->key;
    j->queue_seq = next_seq_.fetch_add(1);
    if (auto log = logs_.open(*uid); log->size()) j->log = std::move(log);
    table_.insert(j);
    if (is_terminal(j->state)) {
        table_.finished(j);
        return;
    }
    if (!refused.empty()) {
        ending how;
        how.why = {failure_class::infra_controller, "document", "cannot be run any more: " + refused};
        job_lock lock(j->mutex);
        return finish(j, lock, std::move(how), {});
    }
    if (j->spec->queue_timeout.count()) j->queue_deadline = clock_.now() + j->spec->queue_timeout;
    if (j->state == job_state::queued) return enqueue(j);
    // It may be running: its runner has a grace to come back and say so.
    j->state = job_state::running;
    j->reason.clear();
    if (j->log) j->log->resume_attempt(view->log_base);
    j->lease_deadline = clock_.now() + options_.restart_grace;
    job_lock lock(j->mutex);
    arm(*j);
}

void job_engine::restore_key(std::string_view key, std::string_view body) {
    auto o = parse_object(body);
    auto uid = o ? id::parse(text_or(*o, "job")) : std::nullopt;
    if (!uid) return;
    std::uint64_t hash = std::strtoull(std::string(text_or(*o, "hash")).c_str(), nullptr, 10);
    std::lock_guard lock(keys_mutex_);
    keys_[std::string(key)] = {*uid, hash};
}

void job_engine::start() {
    started_ = true;
    for (const auto& j : queue_.all()) {
        queue_.remove(j);
        {
            job_lock lock(j->mutex);
            j->waiting = false;
        }
        enqueue(j);
    }
}

std::vector<verdict> job_engine::reconcile(const member_ptr& who, const std::vector<inventory_item>& inventory) {
    std::vector<verdict> verdicts;
    std::vector<const job*> listed;
    for (const auto& item : inventory) {
        verdict v;
        bool finished = item.state == "finished";
        v.kind = finished ? verdict::forget : verdict::kill;
        auto uid = id::parse(item.job);
        job_ptr j = uid ? table_.find(*uid) : nullptr;
        if (j) {
            job_lock lock(j->mutex);
            attempt* a = j->current();
            if (a && a->token == item.token && !is_terminal(j->state)) {
                listed.push_back(j.get());
                v.kind = finished ? verdict::report : verdict::keep;
                if (!j->log && item.log_bytes) j->log = logs_.open(j->uid);
                v.log_offset = j->log ? j->log->attempt_offset() : 0;
                a->where = who;
                if (!a->holds_place) {
                    std::lock_guard guard(who->mutex);
                    if (who->indexed) {
                        select_.claim_existing(who->slot);
                        a->holds_place = true;
                    }
                }
                if (j->state == job_state::offered) mark_running(*j);
            }
        }
        verdicts.push_back(v);
    }
    // What is believed to run there over a link that is gone, but is not listed, is lost: no lease to wait for.
    for (const auto& j : table_.all()) {
        job_lock lock(j->mutex);
        attempt* a = j->current();
        if (!a || is_terminal(j->state) || j->state == job_state::queued || j->settling) continue;
        if (a->runner != who->info->uid() || (a->via && a->via->alive())) continue;
        if (std::find(listed.begin(), listed.end(), j.get()) != listed.end()) continue;
        if (j->state == job_state::offered) {
            auto number = a->number;
            lock.unlock();
            take_back(j, number, attempt_state::lost, {failure_class::infra_runner, "lost", "the offer never arrived"},
                      false);
            continue;
        }
        ending how;
        how.why = {failure_class::infra_runner, "lost", "the runner came back without the job"};
        if (!j->spec->idempotent) how.why.code = "outcome_unknown";
        attempt_ended(j, lock, std::move(how));
    }
    return verdicts;
}

void job_engine::on_session(const member_ptr& who, const link_ptr& via) {
    for (const auto& j : table_.all()) {
        job_lock lock(j->mutex);
        attempt* a = j->current();
        if (!a || is_terminal(j->state) || j->state == job_state::queued || a->where != who) continue;
        if (a->via && a->via->alive()) continue;
        a->via = via;
        a->protocol = via->protocol_name();
        if (!a->holds_place) {
            std::lock_guard guard(who->mutex);
            if (who->indexed) {
                select_.claim_existing(who->slot);
                a->holds_place = true;
            }
        }
        j->lease_deadline = {};
        j->reason.clear();
        arm(*j);
    }
}

void job_engine::on_link_lost(const member_ptr& who, const link_ptr& via) {
    for (const auto& j : table_.all()) {
        job_lock lock(j->mutex);
        attempt* a = j->current();
        if (!a || a->where != who || a->via != via || is_terminal(j->state)) continue;
        a->via.reset();
        j->lease_deadline = clock_.now() + options_.lease;
        arm(*j);
    }
}

}  // namespace sigrun

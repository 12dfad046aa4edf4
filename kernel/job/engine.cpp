#include "kernel/job/engine.hpp"

#include "kernel/job/job_json.hpp"
#include "kernel/log/log.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>

namespace sigrun {
namespace {

// The last document of this thread: callers that send many small jobs send the same text again and again.
struct spec_cache {
    const void* owner = nullptr;
    std::uint64_t changes = 0;  // of the defaults it was read with
    std::string text;
    spec_ptr spec;
};

problem nothing_stored(const std::string& why, durability wanted) {
    return {errc::unavailable,
            "nothing can be stored now: " + why,
            "durability",
            "a working store, or durability \"memory\"",
            std::string(to_string(wanted)),
            5000};
}

counter hedge_counter(metrics& numbers, const char* what) {
    return numbers.get_counter(
        "sigrun_hedges_total",
        "Copies of jobs that take long: begun, that succeeded first (won), that went on when the "
        "first attempt was lost (took_over), that failed; and not begun since runners are busy, "
        "there were too many (over_budget), or no other runner had a free place",
        {{"what", what}});
}

counter end_counter(metrics& numbers, std::size_t outcome) {
    return numbers.get_counter("sigrun_jobs_finished_total", "Jobs ended, by outcome",
                               {{"outcome", std::string(job_totals::outcomes[outcome])}});
}

}  // namespace

// A full disk, and a disk that was full a moment ago, are the same to who submits.
problem job_engine::not_stored(const problem& why, durability wanted) {
    return why.code == errc::busy ? why : nothing_stored(why.text(), wanted);
}

job_engine::job_engine(fleet& runners, selector& select, journal& store, event_log& events, metrics& numbers,
                       log_store& logs, timer_wheel& timers, const clock& clk, engine_options options,
                       const engine_tuning& tuning)
    : fleet_(runners),
      select_(select),
      store_(store),
      events_(events),
      logs_(logs),
      timers_(timers),
      clock_(clk),
      options_(std::move(options)),
      table_(tuning.keep_finished),
      hedges_{hedge_counter(numbers, "begun"),   hedge_counter(numbers, "won"),  hedge_counter(numbers, "took_over"),
              hedge_counter(numbers, "failed"),  hedge_counter(numbers, "busy"), hedge_counter(numbers, "over_budget"),
              hedge_counter(numbers, "no_place")},
      submitted_(numbers.get_counter("sigrun_jobs_submitted_total", "Jobs accepted")),
      ended_{end_counter(numbers, 0), end_counter(numbers, 1), end_counter(numbers, 2), end_counter(numbers, 3),
             end_counter(numbers, 4)},
      dead_(numbers.get_counter("sigrun_jobs_dead_total",
                                "Jobs that are not tried again, since they took several runners down")),
      retries_(numbers.get_counter("sigrun_job_retries_total", "Attempts after the first")),
      offers_(numbers.get_counter("sigrun_offers_total", "Jobs offered to runners")),
      reoffers_(numbers.get_counter("sigrun_offers_moved_total",
                                    "Offers that went to another runner since the first was slow to answer")),
      wait_seconds_(numbers.get_histogram("sigrun_job_wait_seconds", "From submit to the first offer",
                                          {0.0001, 0.001, 0.01, 0.1, 1, 10, 60, 600})) {
    tune(tuning);
}

job_totals job_engine::totals() const {
    const auto of = [](const counter& c) { return static_cast<std::uint64_t>(c.value()); };
    job_totals out{of(submitted_), of(retries_), of(offers_), {}, total_times_.snapshot(), run_times_.snapshot()};
    for (std::size_t i = 0; i < ended_.size(); ++i) out.ended[i] = of(ended_[i]);
    return out;
}

void job_engine::tune(const engine_tuning& now) {
    tuned_.max_waiting = now.max_waiting;
    tuned_.lease = now.lease;
    tuned_.retry_delay = now.retry_delay;
    tuned_.keep_finished_for = now.keep_finished_for;
    tuned_.sticky = now.sticky;
    tuned_.early_reoffer = now.early_reoffer;
    tuned_.poison_after = now.poison_after;
    tuned_.trace_every = now.trace_every;
    tuned_.hedge_budget = now.hedge.budget;
    tuned_.hedge_quantile = now.hedge.quantile;
    tuned_.hedge_max_load = now.hedge.max_load;
    budget_.set_share(now.retry_budget);
    {
        std::lock_guard lock(defaults_mutex_);
        options_.defaults.retry_infrastructure = now.retry_infrastructure;
        options_.defaults.rules = std::make_shared<const spec_rules>(now.rules);
    }
    table_.keep(now.keep_finished);
    keys_.limit(now.keep_keys, now.max_keys);
    queue_.set_ageing(now.ageing);
    options_.defaults.tenants->set_rules(now.any_tenant, now.tenants);
    wait_accounts::rules_by_name queues;
    for (const auto& [name, rules] : now.rules.queues) queues[name].most = rules.most;
    options_.defaults.queues->set_rules({}, std::move(queues));
    // After the values: who sees the new number sees them, too.
    tuned_.changes.fetch_add(1, std::memory_order_release);
    for (const auto& group : options_.defaults.groups->set_rules(now.groups)) let_in(*group);
}

job_engine::~job_engine() { timers_.disarm(sweeper_); }

void job_engine::sweeper::on_timer() {
    engine.watch_runners();  // first: whom it lets back, waiting jobs may be for
    engine.sweep();
    engine.sweep_artifacts();
    if (!engine.stopping_) engine.timers_.arm(*this, engine.clock_.now() + std::chrono::seconds(1));
}

void job_engine::submit(const submit_request& request, std::function<void(result<job_ptr>, bool)> accepted) {
    thread_local spec_cache cache;
    spec_ptr spec;
    const auto changes = tuned_.changes.load(std::memory_order_acquire);
    if (cache.owner == this && cache.changes == changes && cache.text == request.document) {
        spec = cache.spec;
    } else {
        auto parsed = spec_of(request.document, changes);
        if (!parsed) return accepted(parsed.error(), false);
        spec = *parsed;
        cache = {this, changes, std::string(request.document), spec};
    }
    if (auto able = takes_jobs(*spec, request.idempotency_key); !able) return accepted(able.error(), false);
    if (auto room = has_room(*spec); !room) return accepted(room.error(), false);
    if (auto rate = within_rate(*spec->tenant_account, 1); !rate) return accepted(rate.error(), false);
    auto j = std::make_shared<job>(*this, id::make(), spec);
    if (request.payload) j->payload = request.payload;
    j->retry_of = request.retry_of;
    if (options_.traces) j->trace = options_.traces->begin(request.trace_parent);
    if (auto able = prepare(*j, request.submitter); !able) return accepted(able.error(), false);
    if (spec->group) block(*j);

    j->storing = spec->keep == durability::fsync;
    table_.insert(j);
    std::vector<journal_record> records;
    if (!request.idempotency_key.empty()) {
        j->idempotency_key = request.idempotency_key;
        auto taken =
            keys_.take(spec->tenant, request.idempotency_key, j->uid,
                       spec->compared_document.empty() ? request.document : spec->compared_document, j->payload.view());
        if (!taken || *taken) {
            table_.erase(j->uid);
            if (!taken) return accepted(taken.error(), false);
            return repeated(**taken, spec, request.idempotency_key, std::move(accepted));
        }
        records.push_back(key_record_of(*j));
    }
    if (spec->group && spec->group->policy == group_policy::refuse)
        if (auto in = come_in_now(*j); !in) {
            std::vector<submit_answer> same;
            {
                job_lock lock(j->mutex);
                same = j->replays.take();
            }
            table_.erase(j->uid);
            if (!j->idempotency_key.empty()) keys_.drop(spec->tenant, j->idempotency_key);
            accepted(in.error(), false);
            for (const auto& answer : same) answer(in.error());
            return;
        }
    submitted_.add();
    if (spec->keep != durability::memory || events_.watched(event_type::job_submitted))
        events_.publish(event_type::job_submitted, {}, j->uid);
    if (spec->keep == durability::memory) {
        note_accepted(*j);
        accepted(j, false);
        return begin_wait(j);
    }
    if (spec->keep == durability::relaxed) {
        note_accepted(*j);
        {
            job_lock lock(j->mutex);
            keep_saving(j, false);
        }
        accepted(j, false);
        return begin_wait(j);
    }
    records.push_back(record_of(*j));
    {
        job_lock lock(j->mutex);
        count_waiting(*j, true);
    }
    store_.append(std::move(records), true, [this, j, accepted = std::move(accepted)](result<void> stored) {
        if (!stored) {
            table_.erase(j->uid);
            if (!j->idempotency_key.empty()) keys_.drop(j->spec->tenant, j->idempotency_key);
        }
        std::vector<submit_answer> replays;
        {
            job_lock lock(j->mutex);
            j->storing = false;
            j->key_saved = true;
            if (!stored) count_waiting(*j, false);
            replays = j->replays.take();
        }
        note_accepted(*j);
        const auto kept = j->spec->keep;
        result<job_ptr> first = stored ? result<job_ptr>(j) : result<job_ptr>(not_stored(stored.error(), kept));
        accepted(first, false);
        for (const auto& answer : replays) answer(first);
        if (stored)
            begin_wait(j);
        else if (j->spec->group)
            leave_group(*j);
    });
}

result<void> job_engine::takes_jobs(const job_spec& spec, const std::string& key) const {
    if (key.size() > 256)
        return bad_value("idempotency_key", "at most 256 bytes", std::to_string(key.size()) + " bytes");
    if (stopping_) return problem{errc::unavailable, "the daemon is stopping", "", "", "", 1000};
    if (halted_) return problem{errc::unavailable, "another controller has taken over the jobs", "", "", "", 1000};
    if (spec.keep != durability::memory)
        if (auto why = store_.failed(); !why.empty()) return nothing_stored(why, spec.keep);
    if (!spec.artifacts.empty() && !options_.artifacts)
        return problem{errc::unsupported, "this controller keeps no artifacts", "artifacts"};
    return {};
}

// A new job, which nobody knows yet.
result<void> job_engine::prepare(job& j, std::string_view submitter) {
    const auto& spec = *j.spec;
    if (!j.payload) j.payload = spec.payload;
    j.submitted_ns = clock_.wall_ns();
    j.affinity_key = affinity_of(spec, submitter);
    j.queue_seq = next_seq_.fetch_add(1, std::memory_order_relaxed);
    j.waits_since = clock_.now();
    j.waits_since_ns = j.submitted_ns;
    if (spec.queue_timeout.count()) j.due[deadline::queue] = j.waits_since + spec.queue_timeout;
    if (spec.total_timeout.count()) j.due[deadline::total] = j.waits_since + spec.total_timeout;
    expect_signature_end(j);
    return delay_start(j);
}

void job_engine::note_accepted(job& j) const {
    if (!j.trace) return;
    job_lock lock(j.mutex);
    j.accepted_ns = clock_.wall_ns();
}

// `changes`: read before.
result<spec_ptr> job_engine::spec_of(std::string_view document, std::uint64_t changes) {
    if (auto known = specs_.find(document, changes)) return known;
    auto made = parse_job_spec(document, select_, defaults());
    if (made) specs_.keep(*made, changes);
    return made;
}

spec_defaults job_engine::defaults() const {
    std::lock_guard lock(defaults_mutex_);
    return options_.defaults;
}

std::uint64_t job_engine::affinity_of(const job_spec& spec, std::string_view submitter) const {
    if (spec.affinity_key || !tuned_.sticky.load(std::memory_order_relaxed)) return spec.affinity_key;
    if (!spec.tenant.empty()) return affinity_key_of(spec.tenant);
    return submitter.empty() ? 0 : affinity_key_of(submitter);
}

result<void> job_engine::has_room(const job_spec& spec) const {
    const auto full = [](std::string field, const std::string& whose, std::uint64_t most, std::uint64_t waiting) {
        return problem{errc::busy,
                       "the queue is full",
                       std::move(field),
                       "fewer than " + std::to_string(most) + " waiting jobs" + whose,
                       std::to_string(waiting),
                       1000};
    };
    if (const auto most = tuned_.max_waiting.load(std::memory_order_relaxed), waiting = waiting_.load();
        waiting >= most)
        return full("jobs.max_waiting", "", most, waiting);
    if (const auto& q = *spec.queue_account; q.full())
        return full("queue", " in queue \"" + q.name + "\"", q.most, q.waiting);
    if (const auto& t = *spec.tenant_account; t.full())
        return full("tenant", t.name.empty() ? " without a tenant" : " of tenant \"" + t.name + "\"", t.most,
                    t.waiting);
    return {};
}

// Also what repeats an earlier submit counts: it costs as much to look at.
result<void> job_engine::within_rate(wait_account& tenant, std::uint32_t submits) const {
    const auto wait = tenant.take(clock_.now(), submits);
    if (wait.count() <= 0) return {};
    const auto ms = std::clamp<std::int64_t>((wait.count() + 999'999) / 1'000'000, 1, 3'600'000);
    return problem{errc::busy,
                   "too many submits",
                   "tenant",
                   sdk::concat("at most ", tenant.rate.load(), " jobs per second",
                               tenant.name.empty() ? " without a tenant" : " of tenant \"" + tenant.name + "\"",
                               ", and ", tenant.burst.load(), " at once"),
                   submits == 1 ? "one more" : sdk::concat(submits, " more"),
                   static_cast<std::uint32_t>(ms)};
}

// The key was used before.
void job_engine::repeated(const submit_keys::holder& by, const spec_ptr& spec, const std::string& key,
                          std::function<void(result<job_ptr>, bool)> accepted) {
    if (!by.same)
        return accepted(problem{errc::conflict, "this idempotency key was used with another document",
                                "idempotency_key", "the same document, or another key", key},
                        false);
    if (auto earlier = table_.find(by.job)) return replay(earlier, std::move(accepted));
    if (!by.past)
        return accepted(problem{errc::busy, "the job of this idempotency key is being put away", "", "", "", 100},
                        false);
    // The same document makes the same job; how it ended is known, its attempts and its output are not.
    auto past = std::make_shared<job>(*this, by.job, spec);
    past->state = by.past->state;
    past->submitted_ns = by.past->submitted_ns;
    past->started_ns = by.past->started_ns;
    past->finished_ns = by.past->finished_ns;
    past->end = std::make_unique<ending>();
    past->end->state = by.past->state;
    past->end->exit_code = by.past->exit_code;
    past->end->why = by.past->why;
    accepted(past, true);
}

// A replay promises what the first answer promises, so it waits for the same commit.
void job_engine::replay(const job_ptr& earlier, std::function<void(result<job_ptr>, bool)> accepted) {
    {
        job_lock lock(earlier->mutex);
        if (earlier->storing) {
            earlier->replays.make().push_back(
                [accepted = std::move(accepted)](const result<job_ptr>& first) { accepted(first, true); });
            return;
        }
    }
    accepted(earlier, true);
}

result<job_ptr> job_engine::find(std::string_view uuid_text) const {
    auto uid = id::parse(uuid_text);
    if (!uid) return bad_value("id", "a job id (UUID)", "\"" + std::string(uuid_text.substr(0, 80)) + "\"");
    if (auto j = table_.find(*uid)) return j;
    return no_such_job(uuid_text);
}

problem job_engine::no_such_job(std::string_view uuid_text) {
    return {errc::not_found, "no such job", "id", "the id of a job that is still kept",
            "\"" + std::string(uuid_text) + "\""};
}

std::shared_ptr<void> job_engine::when_done(const job_ptr& j, std::function<void()> done) {
    auto handle = std::make_shared<std::function<void()>>(std::move(done));
    {
        std::lock_guard lock(j->mutex);
        if (!is_terminal(j->state)) {
            // Those who left are swept out at a cost that doubles away.
            auto& waiters = j->waiters.make();
            if (waiters.calls.size() >= waiters.sweep_at) {
                std::erase_if(waiters.calls, [](const auto& w) { return w.expired(); });
                waiters.sweep_at = std::max<std::size_t>(16, 2 * waiters.calls.size());
            }
            waiters.calls.push_back(handle);
            return handle;
        }
    }
    (*handle)();
    return handle;
}

void job_engine::cancel(const job_ptr& j, nanoseconds grace) {
    job_lock lock(j->mutex);
    if (is_terminal(j->state) || j->settling || halted_) return;
    stop_job(j, lock, grace);
}

// How a job ends that is stopped from here; `how_far` is added to why. Under its lock.
ending job_engine::stopped(job& j, std::string_view how_far) {
    ending how;
    how.state = job_state::cancelled;
    how.why = {failure_class::cancelled, "user", sdk::concat("cancelled on request", how_far)};
    if (j.stopped_for) {
        how.why = *j.stopped_for;
        how.why.message += how_far;
    }
    if (j.overdue) {
        how.state = j.live() ? job_state::failed : job_state::expired;
        how.why = {failure_class::user_timeout, "total_timeout",
                   sdk::concat("not done within timeouts.total (", format_duration(j.spec->total_timeout),
                               ") of its submission", how_far)};
    }
    return how;
}

void job_engine::stop_job(const job_ptr& j, job_lock& lock, nanoseconds grace) {
    attempt* a = j->live();
    // Asked for again: an impatient grace counts, a patient one does not take back the first.
    j->cancel_grace = j->cancelling ? std::min(j->cancel_grace, grace) : grace;
    j->cancelling = true;
    if (!a || !a->sent) {
        if (a) return attempt_ended(j, lock, stopped(*j));
        return finish(j, lock, stopped(*j), {});
    }
    // The runner answers with a final STATE; should it not, the job ends without knowing what the runner does.
    j->due[deadline::lease] = clock_.now() + j->cancel_grace + tuned_.lease.load();
    const auto bye = let_go(*j, attempt_state::cancelled, stopped(*j).why, j->cancel_grace, true);
    arm(*j);
    send_cancel(j, lock);
    if (lock) lock.unlock();
    say(j, bye);
}

void job_engine::send_cancel(const job_ptr& j, job_lock& lock) {
    attempt* a = j->live();
    auto via = a->via;
    std::string token = a->token;
    auto number = a->number;
    auto grace = j->cancel_grace;
    lock.unlock();
    auto uid = j->uid.chars();
    sigrun_attempt which{sizeof(sigrun_attempt), number, {uid.data(), uid.size()}, sdk::str(token)};
    sigrun_result r = via ? via->cancel(which, grace) : SIGRUN_E_IO;
    if (r >= 0) return;
    lock.lock();
    a = j->live();
    if (!a || a->number != number || j->settling) return;
    if (a->via && a->via != via) return send_cancel(j, lock);  // it came back over another link meanwhile
    if (r == SIGRUN_E_BUSY) {
        j->due[deadline::cancel] = clock_.now() + std::chrono::milliseconds(100);
        return arm(*j);
    }
    auto how = stopped(
        *j, r == SIGRUN_E_UNSUPPORTED ? "; this runner cannot be told to stop" : "; the runner cannot be reached now");
    how.runner_unknown = !never_arrived(*a);
    attempt_ended(j, lock, std::move(how));
}

std::shared_ptr<job_log> job_engine::log_of(const job_ptr& j) {
    std::lock_guard lock(j->mutex);
    if (!j->log) j->log = logs_.open(j->uid, home_of(*j));
    return j->log;
}

selector::explanation job_engine::explain(const job_ptr& j) const {
    return select_.explain(*j->spec->requirement, {.protocols = fleet_.mask_of(j->spec->protocol),
                                                   .priority = static_cast<std::uint16_t>(j->spec->priority)});
}

journal_record job_engine::record_of(const job& j) const { return {record_kind::job, j.uid.text(), job_record(j), 0}; }

journal_record job_engine::key_record_of(const job& j) const {
    return keys_.record_of(j.spec->tenant, j.idempotency_key);
}

void job_engine::publish(job& j, job_state from) {
    note_demand(j);
    if (j.spec->keep == durability::memory && !events_.watched(event_type::job_state_changed)) return;
    const attempt* a = j.attempts.empty() ? nullptr : &j.attempts.back();
    events_.publish(event_type::job_state_changed, a ? a->runner : id{}, j.uid,
                    sdk::concat("\"from\":\"", to_string(from), "\",\"to\":\"", to_string(j.state), "\""));
}

void job_engine::stop() {
    stopping_ = true;
    timers_.disarm(sweeper_);
}

void job_engine::release() {
    for (const auto& j : table_.all()) {
        // What waits for its end may hold links too; destroyed without the lock.
        decltype(j->repeats) repeats;
        decltype(j->refused_saves) refused;
        decltype(j->settle_again) again;
        decltype(j->failed_on) old_runners;
        decltype(j->refusers) refusers;
        decltype(j->beside) beside;
        job_lock lock(j->mutex);
        std::swap(repeats, j->repeats);
        std::swap(refused, j->refused_saves);
        std::swap(again, j->settle_again);
        for (auto& a : j->attempts) {
            a.via.reset();
            a.where.reset();
        }
        std::swap(old_runners, j->failed_on);
        std::swap(refusers, j->refusers);
        placed_.remove(j->placed_beside);
        beside.swap(j->beside);
        lock.unlock();
    }
}

}  // namespace sigrun

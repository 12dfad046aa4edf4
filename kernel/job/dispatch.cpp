// From queued to offered: pick, claim, offer; and back.
#include "kernel/job/engine.hpp"
#include "kernel/job/filled_in.hpp"
#include "kernel/job/memory_growth.hpp"
#include "kernel/job/need_outputs.hpp"
#include "kernel/log/loggers.hpp"

#include <algorithm>

namespace sigrun {
namespace {

constexpr std::string_view k_built_in = "built_in";  // the selector's own choice, when no balancer made one
constexpr std::size_t k_max_attempts = 64;
constexpr int k_most_tries = 4;
constexpr std::size_t k_bulky = 64u << 10;

std::string make_token(std::uint32_t number) {
    static constexpr char hex[] = "0123456789abcdef";
    std::string token = std::to_string(number) + ":";
    std::uint64_t r = random_u64();
    for (int i = 0; i < 16; ++i, r >>= 4) token += hex[r & 15];
    return token;
}

// What the runner gets instead of the job's own document; "" = that one. Under no lock: its needs have ended.
std::string changed_document(const job& j, std::uint32_t attempt, double memory_growth) {
    std::string out;
    if (j.ties && may_refer_to_outputs(j.spec->document))
        if (auto full = with_outputs(j.spec->document, *j.ties)) out = std::move(*full);  // it was possible before
    const auto now = [&]() -> const std::string& { return out.empty() ? j.spec->document : out; };
    if (memory_growth > 1) out = with_more_memory(now(), memory_growth);
    if (j.trace && j.spec->kind != "call")
        if (auto traced = with_trace_parent(now(), j.trace->trace_parent(attempt))) out = std::move(*traced);
    if (!out.empty() && j.spec->signature) out = with_written(j.spec->document, std::move(out));
    return out;
}

}  // namespace

// Where they are now: a runner that changes may move in the index. With the others on their machines, if these are known.
std::vector<std::uint32_t> job_engine::slots_of(std::vector<member_ptr> who, bool with_neighbours) const {
    constexpr std::size_t k_most = 256;
    if (with_neighbours)
        for (std::size_t i = 0, n = who.size(); i < n && who.size() < k_most; ++i)
            for (auto& each : fleet_.neighbours(*who[i])) who.push_back(std::move(each));
    std::vector<std::uint32_t> out;
    for (const auto& where : who) {
        std::lock_guard guard(where->mutex);
        if (where->indexed) out.push_back(where->slot.slot);
    }
    return out;
}

// Not on their machines; if only those match, on the other runners there.
std::vector<std::uint32_t> job_engine::slots_to_avoid(const job& j, std::vector<member_ptr> who) const {
    if (who.empty()) return {};
    auto alone = slots_of(who, false);
    auto machines = slots_of(std::move(who), true);
    return machines.size() > alone.size() && could_run_but_on(j, machines) ? machines : alone;
}

bool job_engine::could_run_but_on(const job& j, const std::vector<std::uint32_t>& slots) const {
    pick_request request;
    request.pred = j.spec->pred.get();
    request.protocols = fleet_.mask_of(j.spec->protocol);
    request.excluded = slots.data();
    request.n_excluded = static_cast<std::uint32_t>(slots.size());
    return select_.could_run(request);
}

// What it asks of any place; but for the requirement and for those it must not have.
pick_request job_engine::wish_of(const job& j) const {
    pick_request request;
    request.protocols = fleet_.mask_of(j.spec->protocol);
    request.priority = static_cast<std::uint16_t>(j.spec->priority);
    request.balancer = j.spec->balancer_id;
    request.affinity_key = j.affinity_key;
    request.source_zone = j.spec->source_zone;
    return request;
}

bool job_engine::pick_for(job& j, pick_result& out) {
    pick_request request = wish_of(j);
    // Runners of its zone may have come since.
    if (request.source_zone == SIGRUN_ZONE_UNKNOWN) request.source_zone = select_.zone_source(j.spec->zone);
    // For a place nearby; what a job waits for otherwise does not get better by waiting.
    constexpr auto k_patience = std::chrono::seconds(1);
    const time_point patient_until = j.waits_since + k_patience;
    request.may_wait = j.attempts.empty() && clock_.now() < patient_until;
    select_.note_waiting(static_cast<std::uint32_t>(queue_.size()));
    const bool found = pick_among(j, request, out);
    j.rather_waits = out.rather_waits();
    j.due[deadline::patient] = j.rather_waits ? patient_until : time_point{};
    return found;
}

bool job_engine::pick_among(const job& j, pick_request& request, pick_result& out) {
    auto avoided = slots_that_refuse(j);
    const auto refused = static_cast<std::uint32_t>(avoided.size());
    const auto failures = slots_that_failed(j);
    avoided.insert(avoided.end(), failures.begin(), failures.end());
    const auto failed = static_cast<std::uint32_t>(avoided.size());
    avoided.insert(avoided.end(), j.excluded->begin(), j.excluded->end());
    request.excluded = avoided.data();
    request.n_excluded = static_cast<std::uint32_t>(avoided.size());
    for (const auto& p : j.spec->prefers) {
        request.pred = p.pred.get();
        out = select_.pick(request);
        if (out.outcome == pick_outcome::picked) return true;
    }
    request.pred = j.spec->pred.get();
    out = select_.pick(request);
    if (out.outcome == pick_outcome::picked) return true;
    if (!j.excluded->empty()) {
        // Those that refused it may take it now.
        request.n_excluded = failed;
        out = select_.pick(request);
        if (out.outcome == pick_outcome::picked) return true;
    }
    request.n_excluded = failed;
    if (failed > refused && !select_.could_run(request)) {
        // The runners that failed it are better than none.
        request.n_excluded = refused;
        out = select_.pick(request);
    }
    return out.outcome == pick_outcome::picked;
}

bool job_engine::others_could_run(const job& j) const { return could_run_but_on(j, slots_that_failed(j)); }

rung_request job_engine::request_for(const job& j) const {
    rung_request r;
    r.allowed = fleet_.mask_of(j.spec->protocol);
    r.named = j.spec->names_protocol;
    r.urgent = j.spec->priority <= priority_band::high ||
               (j.spec->max_latency.count() && j.spec->max_latency < std::chrono::milliseconds(100));
    r.bulky = j.payload.view().size() >= k_bulky;
    r.max_latency = j.spec->max_latency;
    if (!j.spec->preferred_protocol.empty()) r.preferred = fleet_.protocol_of(j.spec->preferred_protocol);
    return r;
}

// A runner, and a protocol of it that suits; false: with a reason, and nothing is claimed.
bool job_engine::pick_rung(job& j, pick_result& picked, member_ptr& where, chosen_link& rung) {
    const auto known = j.excluded->size();
    bool found = false, too_slow = false;
    for (int tries = 0; tries < k_most_tries && !found; ++tries) {
        if (!pick_for(j, picked)) {
            const bool unnamed = fleet_.mask_of(j.spec->protocol) == k_auto_protocol;
            j.reason =
                fixed_text(j.rather_waits ? "waits for a place in a zone that is nearer than those with a free one"
                           : unnamed ? "waits: neither the job nor a runner that matches and is free names a protocol"
                           : picked.outcome == pick_outcome::queued
                               ? "waits: every runner that matches is busy, closed or on another protocol"
                               : "waits: no runner matches");
            if (!j.refusers->empty())
                if (auto text = refusal_text(j); !text.empty()) j.reason = std::move(text);
            break;
        }
        where = fleet_.at(picked.slot);
        rung = {};
        if (where) rung = fleet_.choose(where, request_for(j));
        found = rung.via != nullptr;
        if (found) break;
        select_.release(picked.slot);
        too_slow = rung.too_slow > 0;
        j.reason = too_slow ? "waits: no protocol of the runners that match answers within max_latency (" +
                                  format_duration(j.spec->max_latency) + ")"
                            : "waits: the link to the chosen runner was just lost";
        // Lost: the runner leaves the index on its own thread. Too slow: another runner may be faster.
        if (!too_slow) break;
        j.excluded.make().push_back(picked.slot.slot);
    }
    // Left out for this once.
    if (j.excluded->size() > known) j.excluded.make().resize(known);
    return found;
}

bool job_engine::try_dispatch(const job_ptr& j, bool late) {
    if (halted_) return false;
    job_lock lock(j->mutex);
    if (j->state != job_state::queued || j->cancelling || j->settling) return true;
    if (j->due[deadline::retry] > clock_.now()) {
        note_demand(*j);
        arm(*j);
        return true;
    }
    pick_result picked;
    member_ptr where;
    chosen_link rung;
    if (!pick_rung(*j, picked, where, rung)) {
        ending how;
        if (!refused_for_good(*j, how)) return false;
        finish(j, lock, std::move(how), {});
        return true;
    }
    begin_attempt(j, where, rung, picked);
    j->current()->late = late;
    if (traces_this_one(*j->spec)) [[unlikely]]
        trace(*j, *j->current());
    store_offer(j, lock);
    return true;
}

// Its record first, as far as the job wants to be kept; then it leaves.
void job_engine::store_offer(const job_ptr& j, job_lock& lock) {
    auto number = j->current()->number;
    if (j->spec->keep == durability::fsync) {
        save(j, lock, true, [this, j, number](result<void> stored) {
            if (stored) return send_offer(j, number);
            take_back(j, number, attempt_state::refused,
                      {failure_class::infra_controller, "store", stored.error().text()}, false);
        });
        return;
    }
    if (j->spec->keep == durability::relaxed) keep_saving(j, false);
    lock.unlock();
    send_offer(j, number);
}

void job_engine::begin_attempt(const job_ptr& j, const member_ptr& where, const chosen_link& rung,
                               const pick_result& picked) {
    forget_old_attempts(*j);
    if (attempt* before = j->current()) before->may_return = false;
    attempt& a = j->attempts.emplace_back();
    describe_attempt(*j, a, where, rung, picked);
    placed_.put(j->placed, a.runner);
    if (!j->holds_retry) {
        a.counted = true;
        budget_.began(*j->spec->cls);
    }
    if (j->log) {
        j->log->begin_attempt();
        a.log_begin = j->log->size();
    }
    j->state = job_state::offered;
    count_waiting(*j, false);
    j->reason.clear();
    j->due[deadline::lease] = {};
    // A foreign runner's acceptance is an HTTP reply with its own limit; it sends no ACK within 5 s by contract.
    j->due[deadline::offer] = clock_.now() + (a.foreign ? std::chrono::seconds(150) : options_.offer_timeout);
    if (a.number == 1)
        wait_seconds_.observe(static_cast<double>(a.offered_ns - j->submitted_ns) * 1e-9);
    else
        retries_.add();
    arm(*j);
    publish(*j, job_state::queued);
}

void job_engine::describe_attempt(const job& j, attempt& a, const member_ptr& where, const chosen_link& rung,
                                  const pick_result& picked) {
    a.number = 0;
    for (const attempt& each : j.attempts) a.number = std::max(a.number, each.number);
    ++a.number;
    a.where = where;
    a.place = picked.slot;
    a.via = rung.via;
    a.runner = where->info->uid();
    a.runner_name = where->info->identity.name;
    a.token = make_token(a.number);
    a.protocol = rung.via->protocol_name();
    a.balancer = picked.explain.policy ? select_.balancer_name(picked.explain.policy) : k_built_in;
    a.explain = picked.explain;
    a.rungs = rung.usable;
    a.slow_rungs = rung.too_slow;
    a.wish = rung.wish;
    a.rung_latency_ns = rung.latency_ns;
    a.rung = rung.protocol;
    a.rung_reason = rung.why;
    a.rung_score = rung.score;
    a.next_score = rung.next_score;
    a.holds_place = true;
    a.foreign = where->info->foreign;
    a.offered_ns = clock_.wall_ns();
}

void job_engine::send_offer(const job_ptr& j, std::uint32_t number) {
    link_ptr via;
    std::string token;
    buffer_ref payload;
    double growth = 1;
    {
        job_lock lock(j->mutex);
        attempt* a = j->live();
        if (j->state != job_state::offered || !a || a->number != number || j->settling || halted_) return;
        via = a->via;
        token = a->token;
        payload = j->payload;
        growth = memory_growth(*j);
        a->sent = true;
        a->sent_at = clock_.now();
        expect_ack(*j);
        if (payload && a->where)
            if (auto* record = a->where->rungs.find(a->rung)) record->evidence.moved(payload.view().size());
    }
    offers_.add();
    sigrun_result r = execute(*j, {number, via, token, payload, growth});
    // The link was given up between the choice and now, most likely for another one: the runner has not seen the offer.
    // Or it is larger than this protocol carries there.
    for (int tries = 0; (r == SIGRUN_E_IO || r == SIGRUN_E_INVALID) && tries < 2; ++tries) {
        via = other_link(j, number, via, r == SIGRUN_E_INVALID);
        if (!via) break;
        r = execute(*j, {number, via, token, payload, growth});
    }
    if (r < 0) {
        take_back(j, number, attempt_state::refused,
                  {failure_class::refused, r == SIGRUN_E_BUSY ? "busy" : "link", "the offer could not be sent"}, true);
        return;
    }
    // A cancel that came meanwhile may have overtaken the offer on its way.
    {
        job_lock lock(j->mutex);
        attempt* a = j->live();
        bool wanted = a ? a->number == number && !j->cancelling : j->end && j->end->state != job_state::cancelled;
        if (wanted) return;
    }
    auto uid = j->uid.chars();
    sigrun_attempt which{sizeof(sigrun_attempt), number, {uid.data(), uid.size()}, sdk::str(token)};
    via->cancel(which, nanoseconds(0));
}

sigrun_result job_engine::execute(const job& j, const outgoing_offer& what) {
    auto uid = j.uid.chars();
    sigrun_attempt which{sizeof(sigrun_attempt), what.number, {uid.data(), uid.size()}, sdk::str(what.token)};
    sigrun_frame offer{};
    offer.struct_size = sizeof offer;
    offer.kind = SIGRUN_OFFER;
    offer.attempt = &which;
    const auto changed = changed_document(j, what.number, what.memory_growth);
    offer.json = sdk::str(changed.empty() ? j.spec->document : changed);
    offer.payload = what.payload.get();
    return what.via ? what.via->execute(offer) : SIGRUN_E_IO;
}

// The offer did not leave over `not_this`; null if there is no other link, or the job is no longer to be offered.
link_ptr job_engine::other_link(const job_ptr& j, std::uint32_t number, const link_ptr& not_this, bool refused) {
    job_lock lock(j->mutex);
    attempt* a = j->live();
    if (j->state != job_state::offered || !a || a->number != number || j->settling || !a->where) return nullptr;
    if (!refused && not_this && not_this->alive()) return nullptr;
    auto request = request_for(*j);
    request.not_over = not_this.get();
    auto rung = fleet_.choose(a->where, request);
    if (!rung.via || rung.via == not_this) return nullptr;
    goes_over(*a, rung.via,
              refused ? "the offer is too large for the first" : "the link was lost before the offer left");
    return rung.via;
}

// The offer is void: the job goes back to the queue, no attempt of any budget is used.
void job_engine::take_back(const job_ptr& j, std::uint32_t number, attempt_state as, failure why, bool exclude) {
    member_ptr where;
    link_ptr via;
    slot_ref place;
    std::string token;
    {
        job_lock lock(j->mutex);
        attempt* a = j->live();
        if (j->state != job_state::offered || !a || a->number != number || j->settling) return;
        SIGRUN_LOG(logs::jobs, debug, "offer of ", j->uid.text(), " to ", a->runner_name, " taken back: ", why.message);
        a->state = as;
        a->finished_ns = clock_.wall_ns();
        a->why = why;
        if (as == attempt_state::lost) {
            ending how;
            how.why = why;
            learn(*j, *a, how);
        }
        count_end(*j, *a);
        // Not refused by the runner: it may have the offer, or get it yet.
        if (a->sent && as == attempt_state::lost) via = std::move(a->via);
        a->via.reset();
        token = a->token;
        place = a->place;
        if (a->holds_place) where = a->where;
        a->holds_place = false;
        j->due.clear({deadline::offer, deadline::lease, deadline::reoffer, deadline::start});
        // Over a link that lives the order to stop arrives right behind the offer.
        a->may_run = j->spec->group && as == attempt_state::lost && a->sent && !(via && via->alive());
        if (j->cancelling) {
            finish(j, lock, stopped(*j), {});
        } else {
            if (exclude && j->excluded->size() < 64) j->excluded.make().push_back(a->explain.slot);
            j->state = job_state::queued;
            j->reason = "waits: " + why.message;
            // Refusals in a row must not become a busy loop.
            auto refusals = std::min<std::size_t>(j->attempts.size(), 6);
            j->due[deadline::retry] = clock_.now() + std::chrono::milliseconds(20) * (1u << refusals);
            if (a->may_run) hold_retry(*j);
            publish(*j, job_state::offered);
            arm(*j);
        }
    }
    if (via) {
        auto uid = j->uid.chars();
        sigrun_attempt which{sizeof(sigrun_attempt), number, {uid.data(), uid.size()}, sdk::str(token)};
        via->cancel(which, nanoseconds(0));
    }
    if (where) place_free(where, place);
}

// A job may be refused for days; what counts of its history stays small.
void job_engine::forget_old_attempts(job& j) {
    if (j.attempts.size() < k_max_attempts) return;
    // One that still has its place, or may still run, may be beside the one that counts.
    const auto over = [](const attempt& a) { return !a.holds_place && !a.may_run; };
    auto gone = std::find_if(j.attempts.begin(), j.attempts.end(),
                             [&](const attempt& a) { return a.state == attempt_state::refused && over(a); });
    if (gone == j.attempts.end()) gone = std::find_if(j.attempts.begin(), j.attempts.end(), over);
    if (gone == j.attempts.end()) return;
    if (gone->own_log) logs_.open(j.uid, gone->number)->erase();
    j.attempts.erase(gone);
}

void job_engine::place_free(const member_ptr& where, slot_ref place) {
    where->info->last_end_ns.store(clock_.now().time_since_epoch().count(), std::memory_order_relaxed);
    if (select_.release(place)) fleet_.refresh_status(where, "a place is free");
    if (queue_.size()) pump(place);
}

}  // namespace sigrun

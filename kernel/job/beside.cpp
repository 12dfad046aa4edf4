// What becomes of the attempt beside the one that counts: a copy of a slow job (hedge.cpp), or one that was overtaken by its copy.
#include "kernel/job/engine.hpp"
#include "kernel/job/job_json.hpp"
#include "kernel/log/loggers.hpp"

#include <sigrun/cpp/text.hpp>

namespace sigrun {

// Under no lock.
void job_engine::say(const job_ptr& j, const farewell& bye) {
    if (bye.via) {
        auto uid = j->uid.chars();
        sigrun_attempt which{sizeof(sigrun_attempt), bye.number, {uid.data(), uid.size()}, sdk::str(bye.token)};
        bye.via->cancel(which, bye.grace);
    }
    if (bye.where) place_free(bye.where, bye.place);
    if (bye.leaves) leave_group(*j);
}

// Nobody waits for it any more. Under the job's lock, as the next ones.
job_engine::farewell job_engine::forget_other(job& j) {
    farewell bye;
    if (attempt* a = j.other()) {
        a->via.reset();
        a->may_run = false;
        if (std::exchange(a->holds_place, false)) bye.where = a->where;
        bye.place = a->place;
    }
    placed_.remove(j.placed_beside);
    if (j.beside && j.spec->group && is_terminal(j.state)) bye.leaves = !j.current()->may_run;
    j.beside.reset();
    return bye;
}

// The attempt beside has ended, as far as the job is concerned. `tell`: its runner does not know it, or cannot be asked.
job_engine::farewell job_engine::let_go(job& j, attempt_state as, failure why, nanoseconds grace, bool tell) {
    attempt* a = j.other();
    if (!a || j.beside->leaving) return {};
    a->state = as;
    a->finished_ns = clock_.wall_ns();
    a->why = std::move(why);
    ending how;
    how.why = a->why;
    if (as == attempt_state::lost) learn(j, *a, how);
    drop_upload(*a, how);
    count_end(j, *a);
    if (j.beside->log) j.beside->log->finish();
    return part_with(j, grace, tell);
}

// It keeps its place until its runner says that it has ended there, or for as long as that may take.
job_engine::farewell job_engine::part_with(job& j, nanoseconds grace, bool tell) {
    attempt& a = *j.other();
    if (!tell || !a.sent) return forget_other(j);
    if (!a.via) return has_not_stopped(j);
    farewell bye;
    bye.via = a.via;
    bye.number = a.number;
    bye.token = a.token;
    bye.grace = grace;
    stay_beside(j, grace + tuned_.lease.load());
    return bye;
}

// It is over for us, but may still run there. In a group it counts for as long: see grouping.cpp.
void job_engine::stay_beside(job& j, nanoseconds longest) {
    attempt& a = *j.other();
    a.may_run = j.spec->group != nullptr;
    *j.beside = beside_attempt{};
    j.beside->number = a.number;
    j.beside->leaving = true;
    j.beside->leave_deadline = clock_.now() + longest;
}

// Its runner has not said in time that it has. Its place there is free; that in the group is not.
job_engine::farewell job_engine::has_not_stopped(job& j) {
    attempt& a = *j.other();
    // Once: the rest is counted by the wall clock, which may go back as often as it likes.
    const auto rest = j.beside->rests ? nanoseconds(0) : longest_rest(j, a);
    if (!j.spec->group || rest.count() <= 0) return forget_other(j);
    farewell bye;
    if (std::exchange(a.holds_place, false)) bye.where = a.where;
    bye.place = a.place;
    stay_beside(j, rest);
    j.beside->rests = true;
    return bye;
}

// What stands beside a job that has ended can only be on its way out.
bool job_engine::runs_beside(const job& j) noexcept { return j.beside && j.spec->group; }

bool job_engine::copy_can_go_on(const job& j, const ending& how) {
    if (!j.beside || j.beside->leaving || j.cancelling || how.state != job_state::failed) return false;
    return is_infrastructure(how.why.cls) || how.why.cls == failure_class::preempted ||
           how.why.cls == failure_class::refused;
}

// The copy counts from now on; the attempt that did stands beside it, and its end has been noted or is to be. Returns that one.
attempt& job_engine::promote_copy(job& j) {
    beside_attempt was = std::move(*j.beside);
    attempt &a = j.attempts.back(), &old = *j.other();
    std::swap(a, old);
    *j.beside = beside_attempt{};
    j.beside->number = old.number;
    placed_.put(j.placed, a.runner);
    placed_.put(j.placed_beside, old.runner);
    j.own_log = was.log;
    if (!j.own_log) a.own_log = false;
    if (!j.own_log && j.log) {
        j.log->begin_attempt();
        a.log_begin = j.log->size();
    }
    j.due[deadline::offer] = was.offer_deadline;
    j.due[deadline::lease] = was.lease_deadline;
    j.due.clear({deadline::run, deadline::start, deadline::cancel, deadline::doubt, deadline::reoffer, deadline::proven,
                 deadline::hedge, deadline::hold});
    j.state = a.state == attempt_state::offered ? job_state::offered
              : a.upload                        ? job_state::uploading
                                                : job_state::running;
    j.reason.clear();
    if (j.state != job_state::offered) doubt(j, a);
    return old;
}

void job_engine::copy_runs(job& j, attempt& a) {
    if (a.state != attempt_state::offered) return;
    a.state = attempt_state::running;
    a.started_ns = clock_.wall_ns();
    j.beside->offer_deadline = {};
}

sigrun_result job_engine::on_other_frame(const job_ptr& j, job_lock& lock, const link_ptr& via,
                                         const sigrun_frame& frame, std::function<void()> acknowledge) {
    const bool last = frame.kind == SIGRUN_STATE && (frame.flags & SIGRUN_FRAME_LAST);
    if (j->beside->leaving) {
        farewell bye;
        if (last) {
            bye = forget_other(*j);
            arm(*j);
        }
        lock.unlock();
        if (last) acknowledge();
        // What it still says is of no interest, but it must be able to say it.
        if (frame.kind == SIGRUN_LOG && frame.stream != SIGRUN_STREAM_ARTIFACT)
            ack(via, frame, SIGRUN_LOG, frame.offset + (frame.payload ? frame.payload->length : 0));
        say(j, bye);
        return SIGRUN_OK;
    }
    attempt& a = *j->other();
    switch (frame.kind) {
        case SIGRUN_ACK: return on_copy_ack(j, lock, frame);
        case SIGRUN_LOG:
            if (frame.stream == SIGRUN_STREAM_ARTIFACT) return on_artifact(a, lock, frame);
            return on_copy_log(j, lock, via, frame);
        case SIGRUN_STATE: break;
        default: return SIGRUN_E_INVALID;
    }
    copy_runs(*j, a);
    if (last) return on_copy_end(j, lock, frame, std::move(acknowledge));
    if (says_uploading(sdk::view(frame.json))) {
        on_uploading(j, lock, a, via, frame);
        return SIGRUN_OK;
    }
    note_limits(a, sdk::view(frame.json));
    arm(*j);
    return SIGRUN_OK;
}

sigrun_result job_engine::on_copy_ack(const job_ptr& j, job_lock& lock, const sigrun_frame& frame) {
    if (frame.stream != SIGRUN_OFFER) return SIGRUN_OK;
    attempt& a = *j->other();
    if (!(frame.flags & SIGRUN_FRAME_ERROR)) {
        if (a.state == attempt_state::offered) note_ack(*j, a);
        copy_runs(*j, a);
        arm(*j);
        return SIGRUN_OK;
    }
    auto o = parse_object(sdk::view(frame.json));
    failure why{failure_class::refused, o ? std::string(text_or(*o, "code")) : "refused",
                o ? std::string(text_or(*o, "message")) : "the runner refused"};
    const auto where = a.where;
    if (j->excluded->size() < 64) j->excluded.make().push_back(a.explain.slot);
    note_refuser(*j, where, why, o && bool_or(*o, "final", false));
    const auto bye = let_go(*j, attempt_state::refused, why, {}, false);
    expect_hedge(*j);
    arm(*j);
    lock.unlock();
    tell_refusal(where, *j->spec, why);
    say(j, bye);
    return SIGRUN_OK;
}

// Kept as well as that of any attempt, but for a crash of the machine: then there is no copy any more.
sigrun_result job_engine::on_copy_log(const job_ptr& j, job_lock& lock, const link_ptr& via,
                                      const sigrun_frame& frame) {
    attempt& a = *j->other();
    copy_runs(*j, a);
    auto& log = j->beside->log;
    if (!log) log = logs_.open(j->uid, a.number, home_of(*j));
    const auto mine = log;
    const auto number = a.number;
    arm(*j);
    lock.unlock();
    auto stored = mine->append(frame.offset, frame.stream, frame.time_ns,
                               frame.payload ? buffer_ref::share(frame.payload).view() : std::string_view());
    if (stored) {
        ack(via, frame, SIGRUN_LOG, *stored);
        return SIGRUN_OK;
    }
    if (stored.error().code == errc::invalid) return SIGRUN_E_INVALID;
    lock.lock();
    const attempt* now = j->other();
    if (!now || now->number != number) return SIGRUN_E_BUSY;  // it counts by now: the runner says it again
    const auto bye = let_go(
        *j, attempt_state::cancelled,
        {failure_class::infra_controller, "output", "its output cannot be stored: " + stored.error().text()}, {}, true);
    arm(*j);
    lock.unlock();
    say(j, bye);
    return SIGRUN_OK;
}

sigrun_result job_engine::on_copy_end(const job_ptr& j, job_lock& lock, const sigrun_frame& frame,
                                      std::function<void()> acknowledge) {
    auto how = ending_of(frame);
    attempt& a = *j->other();
    take_artifacts(*j, a, how);
    if (how.state == job_state::succeeded && j->live() && !j->settling) {
        copy_won(j, lock, frame, std::move(how), std::move(acknowledge));
        return SIGRUN_OK;
    }
    a.exit_code = how.exit_code;
    a.usage = how.usage;
    if (!how.limits.empty()) a.limits = how.limits;
    if (!how.isolation.empty()) a.isolation = how.isolation;
    if (!how.signature.empty()) a.signature = how.signature;
    if (!how.steps.empty()) a.step_results = how.steps;
    const auto shown = conduct_of(how);
    const auto where = a.where;
    if (is_infrastructure(how.why.cls) && j->failed_on->size() < 64 && where) j->failed_on.make().push_back(where);
    a.finished_ns = clock_.wall_ns();
    learn(*j, a, how);
    const auto bye = let_go(*j, state_of(how), how.why, {}, false);
    hedges_.failed.add();
    expect_hedge(*j);
    arm(*j);
    lock.unlock();
    acknowledge();
    tell_conduct(where, *j->spec, shown, how.why.message);
    say(j, bye);
    return SIGRUN_OK;
}

// It was first: the attempt that was to count is told to stop.
void job_engine::copy_won(const job_ptr& j, job_lock& lock, const sigrun_frame& frame, ending how,
                          std::function<void()> acknowledge) {
    constexpr std::chrono::seconds k_grace{10};
    attempt& slow = promote_copy(*j);
    const attempt& winner = j->attempts.back();
    slow.state = attempt_state::cancelled;
    slow.finished_ns = clock_.wall_ns();
    slow.why = {failure_class::cancelled, "overtaken",
                sdk::concat("its copy, attempt ", winner.number, " on ", winner.runner_name, ", succeeded first")};
    // It takes at least so long there. Were only those counted that end, what is usual would sink with each that is overtaken.
    ending at_least;
    at_least.state = job_state::succeeded;
    learn(*j, slow, at_least);
    drop_upload(slow, at_least);
    count_end(*j, slow);
    const auto bye = part_with(*j, k_grace, true);
    how.log_missing = missing_output(*j, frame);
    hedges_.won.add();
    if (j->spec->keep == durability::memory) {
        attempt_ended(j, lock, std::move(how));
        return say(j, bye);
    }
    // It must not be told before the disk knows which one counts: after a restart its end would be taken for that of the job.
    keep_saving(j, j->spec->keep == durability::fsync, [this, j, bye] { say(j, bye); });
    attempt_ended(j, lock, std::move(how), std::move(acknowledge));
}

// Its link was lost: as long as its lease lasts it may come back over another one.
void job_engine::other_link_lost(job& j, const member_ptr& who, const link_ptr& via, time_point lease_over) {
    attempt* a = j.other();
    if (!a || a->where != who || a->via != via) return;
    a->via.reset();
    if (!j.beside->leaving) j.beside->lease_deadline = lease_over;
    arm(j);
}

// The runner lists the attempt beside: false if that is another one.
bool job_engine::keep_other(job& j, const member_ptr& who, const inventory_item& item, verdict& v) {
    attempt* a = j.other();
    if (!a || a->token != item.token || j.beside->leaving) return false;
    v.kind = item.state == "running" ? verdict::keep : verdict::report;
    v.log_offset = j.beside->log ? j.beside->log->attempt_offset() : 0;
    a->where = who;
    a->runner = who->info->uid();
    a->kept = true;
    placed_.put(j.placed_beside, a->runner);
    claim_again(*a);
    if (item.state != "refused") copy_runs(j, *a);
    arm(j);
    return true;
}

// Its runner does not list it.
void job_engine::other_not_listed(const job_ptr& j, job_lock& lock, bool restarted) {
    attempt& a = *j->other();
    const bool on_its_way = !a.sent || (!restarted && a.via && a.via->alive());
    if (j->beside->leaving ? !restarted && a.via && a.via->alive() : on_its_way) return;
    const auto bye = j->beside->leaving
                         ? forget_other(*j)
                         : let_go(*j, attempt_state::lost,
                                  {failure_class::infra_runner, "lost", "the runner came back without it"}, {}, false);
    arm(*j);
    lock.unlock();
    say(j, bye);
}

void job_engine::bind_other(job& j, const member_ptr& who, const link_ptr& via, const std::string& why) {
    attempt* a = j.other();
    if (!a || a->where != who || !std::exchange(a->kept, false)) return;
    goes_over(*a, via, why);
    claim_again(*a);
    j.beside->lease_deadline = {};
    arm(j);
}

// A time of it is over. Takes the lock away.
void job_engine::other_is_due(const job_ptr& j, job_lock& lock) {
    const auto now = clock_.now();
    auto over = [now](time_point t) { return t != time_point{} && t <= now; };
    farewell bye;
    const attempt* a = j->other();
    if (!a)
        bye = forget_other(*j);
    else if (over(j->beside->leave_deadline))
        bye = has_not_stopped(*j);
    else if (over(j->beside->offer_deadline))
        bye = let_go(*j, attempt_state::lost,
                     {failure_class::infra_runner, "no_ack", "the runner did not answer the offer"}, {}, true);
    else if (over(j->beside->lease_deadline) && !a->via)
        bye = let_go(*j, attempt_state::lost,
                     {failure_class::infra_runner, "lost", "the runner was lost while it ran the copy"}, {}, true);
    else
        j->beside->lease_deadline = {};
    if (j->live() && !j->beside && !j->due.has(deadline::hedge)) expect_hedge(*j);
    arm(*j);
    lock.unlock();
    say(j, bye);
}

}  // namespace sigrun

// What runners say of an attempt: acceptance, output, state.
#include "kernel/job/engine.hpp"
#include "kernel/job/log_syncer.hpp"
#include "kernel/log/loggers.hpp"

namespace sigrun {
namespace {

constexpr std::size_t k_longest_told = 128 * 1024;  // of text about a running attempt, from a runner
constexpr std::size_t k_most_steps = 256;
constexpr std::size_t k_most_outputs = 64 * 1024;  // bytes of keys and values
constexpr std::size_t k_most_warnings = 20;
constexpr std::size_t k_most_warning = 1024;

// A runner may be anybody's: what does not keep to the limits is not taken.
json::array warnings_in(const json::object& from, std::string_view field) {
    json::array warnings;
    if (const auto* told = array_or_null(from, field))
        for (const auto& each : *told)
            if (each.is_string() && each.get_string().size() <= k_most_warning && warnings.size() < k_most_warnings)
                warnings.push_back(each);
    return warnings;
}

// As text; empty: none, or not as they are to be.
std::string steps_in(const json::object& from) {
    const auto* steps = array_or_null(from, "steps");
    if (!steps || steps->size() > k_most_steps) return {};
    for (const auto& each : *steps)
        if (!each.is_object()) return {};
    auto text = json::serialize(*steps);
    return text.size() <= k_longest_told ? text : std::string();
}

void take_outputs(const json::object& from, ending& how) {
    auto warnings = warnings_in(from, "output_warnings");
    if (const auto* outputs = object_or_null(from, "outputs"); outputs && !outputs->empty()) {
        std::size_t size = 0;
        bool texts = true;
        for (const auto& [key, value] : *outputs) {
            texts = texts && value.is_string();
            size += key.size() + (value.is_string() ? value.get_string().size() : 0);
        }
        if (texts && size <= k_most_outputs)
            how.outputs = json::serialize(*outputs);
        else
            warnings.emplace_back("the runner told outputs of more than 64 KiB, or others than texts: none is kept");
    }
    if (!warnings.empty()) how.output_warnings = json::serialize(warnings);
}

}  // namespace

void job_engine::ack(const link_ptr& via, const sigrun_frame& frame, std::uint32_t kind, std::uint64_t offset) {
    sigrun_frame answer{};
    answer.struct_size = sizeof answer;
    answer.kind = SIGRUN_ACK;
    answer.stream = kind;
    answer.offset = offset;
    answer.attempt = frame.attempt;
    via->send(answer);
}

sigrun_result job_engine::on_attempt_frame(const member_ptr& from, const link_ptr& via, const sigrun_frame& frame) {
    // The runner keeps what is not acknowledged, and tells the one who owns the job now.
    if (halted_) return SIGRUN_E_CANCELLED;
    auto uid = id::parse(sdk::view(frame.attempt->job));
    job_ptr j = uid ? table_.find(*uid) : nullptr;
    const bool last = frame.kind == SIGRUN_STATE && (frame.flags & SIGRUN_FRAME_LAST);
    bool current = false, ended = false;
    if (j) {
        job_lock lock(j->mutex);
        attempt* a = j->current();
        current = a && a->token == sdk::view(frame.attempt->token) && a->runner == from->info->uid();
        ended = is_terminal(j->state);
        if (const attempt* other = j->other();
            other && other->token == sdk::view(frame.attempt->token) && other->runner == from->info->uid())
            return on_other_frame(j, lock, via, frame,
                                  last ? acknowledge_later(from, via, frame) : std::function<void()>());
        if (current && (frame.kind == SIGRUN_LOG || frame.kind == SIGRUN_STATE) && may_return(*j, a->token)) {
            take_up_again(*j);
            a->where = from;
            goes_over(*a, via, "the runner is back");
            claim_again(*a);
            j->due[deadline::lease] = {};
            arm(*j);
        }
        if (current && last && (ended || j->settling)) {
            // Its end is known: this is said again, or only now by a runner that could not be told to stop. The place is free
            // in any case; the runner is needed until the disk has the end.
            const member_ptr where = std::exchange(a->holds_place, false) ? a->where : nullptr;
            const slot_ref place = a->place;
            if (where) j->due[deadline::hold] = {};
            const bool on_its_way = j->settling || j->end_unsaved;
            if (on_its_way) j->repeats.make().push_back(acknowledge_later(from, via, frame));
            if (a->may_run) over_there(j, lock);
            if (lock) lock.unlock();
            if (where) place_free(where, place);
            if (!on_its_way) ack(via, frame, SIGRUN_STATE, 0);
            return SIGRUN_OK;
        }
        const bool refused =
            frame.kind == SIGRUN_ACK && frame.stream == SIGRUN_OFFER && frame.flags & SIGRUN_FRAME_ERROR;
        if (current && (last || refused) && a->may_run) over_there(j, lock);
        if (current && lock && j->live()) {
            switch (frame.kind) {
                case SIGRUN_ACK: return on_ack(j, lock, frame);
                case SIGRUN_LOG:
                    if (frame.stream == SIGRUN_STREAM_ARTIFACT) return on_artifact(*a, lock, frame);
                    return on_log(j, lock, via, frame);
                case SIGRUN_STATE: return on_state(j, lock, from, via, frame);
                default: return SIGRUN_E_INVALID;
            }
        }
    }
    // Stale: a final state is acknowledged so that the runner forgets it; anything else is told to end.
    bool accepts = frame.kind == SIGRUN_ACK && frame.stream == SIGRUN_OFFER && !(frame.flags & SIGRUN_FRAME_ERROR);
    if (last)
        ack(via, frame, SIGRUN_STATE, 0);
    else if (!(current && ended) && (frame.kind == SIGRUN_LOG || frame.kind == SIGRUN_STATE || accepts))
        via->cancel(*frame.attempt, nanoseconds(0));
    else if (frame.kind == SIGRUN_LOG && frame.stream != SIGRUN_STREAM_ARTIFACT)
        ack(via, frame, SIGRUN_LOG, frame.offset + (frame.payload ? frame.payload->length : 0));
    return SIGRUN_OK;
}

// From where the runner should go on with its output. Under the job's lock.
std::uint64_t job_engine::log_offset_of(const job& j) {
    const auto& log = j.output();
    if (!log) return 0;
    return j.spec->keep == durability::fsync ? log->synced_offset() : log->attempt_offset();
}

// The output that has to be on the disk before the end of its attempt counts: the runner keeps neither once that is acknowledged.
// Null: there is none, or the job is not to survive a crash of the machine. Under the job's lock.
std::shared_ptr<job_log> job_engine::log_to_sync(const job& j) {
    return j.spec->keep == durability::fsync && j.log && !j.log->synced() ? j.log : nullptr;
}

void job_engine::when_synced(const std::shared_ptr<job_log>& log, std::function<void()> then) {
    if (!log) return then();
    logs_.syncer().sync(log, std::move(then));
}

void job_engine::mark_running(job& j) {
    if (j.state != job_state::offered) return;
    attempt& a = *j.current();
    a.state = attempt_state::running;
    a.started_ns = clock_.wall_ns();
    if (!j.started_ns) j.started_ns = a.started_ns;
    j.state = job_state::running;
    j.due.clear({deadline::offer, deadline::reoffer});
    expect_proof(j);
    expect_hedge(j);
    // A native runner enforces the run timeout itself, so a partition cannot extend it; for a foreign one it is our clock.
    if (a.foreign) j.due[deadline::run] = clock_.now() + j.spec->run_timeout;
    doubt(j, a);
    publish(j, job_state::offered);
}

sigrun_result job_engine::on_ack(const job_ptr& j, job_lock& lock, const sigrun_frame& frame) {
    if (frame.stream != SIGRUN_OFFER) return SIGRUN_OK;
    attempt* a = j->current();
    if (frame.flags & SIGRUN_FRAME_ERROR) {
        auto number = a->number;
        const auto where = j->state == job_state::offered ? a->where : nullptr;
        auto o = parse_object(sdk::view(frame.json));
        failure why{failure_class::refused, o ? std::string(text_or(*o, "code")) : "refused",
                    o ? std::string(text_or(*o, "message")) : "the runner refused"};
        note_refuser(*j, where, why, o && bool_or(*o, "final", false));
        lock.unlock();
        // First: the place that it gives back is to be a closed one, if it is.
        tell_refusal(where, *j->spec, why);
        take_back(j, number, attempt_state::refused, std::move(why), true);
        return SIGRUN_OK;
    }
    if (j->state != job_state::offered) return SIGRUN_OK;
    note_ack(*j, *a);
    mark_running(*j);
    expect_start(*j);
    arm(*j);
    if (j->spec->keep != durability::memory) keep_saving(j, false);
    return SIGRUN_OK;
}

sigrun_result job_engine::on_log(const job_ptr& j, job_lock& lock, const link_ptr& via, const sigrun_frame& frame) {
    mark_running(*j);
    j->due[deadline::start] = {};  // a timer that comes for nothing costs less than arming it for each piece of output
    if (!j->output()) j->log = logs_.open(j->uid, home_of(*j));
    auto log = j->output();
    const auto turn = log->turn();
    auto bytes = frame.payload ? buffer_ref::share(frame.payload) : buffer_ref();
    if (const attempt* a = j->current(); a->where)
        if (auto* record = a->where->rungs.find(a->rung)) record->evidence.moved(bytes.view().size());
    lock.unlock();
    auto stored = log->append(turn, frame.offset, frame.stream, frame.time_ns, bytes.view());
    if (!stored && stored.error().code == errc::cancelled) return SIGRUN_OK;  // overtaken a moment ago
    if (!stored) {
        // What cannot be stored is not acknowledged: the runner keeps it and offers it again, many times a second.
        lock.lock();
        j->output_troubled = true;
        if (std::exchange(j->output_trouble.make(), stored.error().text()).empty())
            SIGRUN_LOG(logs::jobs, warning, "output of ", j->uid.text(), " cannot be stored: ", stored.error().text());
        return stored.error().code == errc::invalid ? SIGRUN_E_INVALID : SIGRUN_E_BUSY;
    }
    if (j->output_troubled.exchange(false)) {
        lock.lock();
        j->output_trouble.reset();
        lock.unlock();
        SIGRUN_LOG(logs::jobs, info, "output of ", j->uid.text(), " can be stored again");
    }
    if (j->spec->keep != durability::fsync || log->synced()) {
        ack(via, frame, SIGRUN_LOG, *stored);
        return SIGRUN_OK;
    }
    // The runner drops what is acknowledged, so it has to survive whatever the job itself survives.
    std::string job_text(sdk::view(frame.attempt->job)), token(sdk::view(frame.attempt->token));
    logs_.syncer().sync_newest(log, [via, job_text, token, number = frame.attempt->number, log] {
        sigrun_attempt which{sizeof(sigrun_attempt), number, sdk::str(job_text), sdk::str(token)};
        sigrun_frame about{};
        about.attempt = &which;
        ack(via, about, SIGRUN_LOG, log->synced_offset());
    });
    return SIGRUN_OK;
}

// A runner says with the end how much output there was; all of it comes before the end.
std::uint64_t job_engine::missing_output(const job& j, const sigrun_frame& final_state) {
    const auto have = j.output() ? j.output()->attempt_offset() : 0;
    if (final_state.offset <= have) return 0;
    const auto missing = final_state.offset - have;
    SIGRUN_LOG(logs::jobs, warning, missing, " bytes of the output of ", j.uid.text(), " did not arrive");
    return missing;
}

// A runner that starts a job with limits or apart from others says how each is held, and of a job with several steps how far it is.
// Nearly every job has none of that, and its state is not parsed.
void job_engine::note_limits(attempt& a, std::string_view running_state) {
    if (running_state.find('{', 1) == std::string_view::npos || running_state.size() > k_longest_told) return;
    const auto o = parse_object(running_state);
    if (!o) return;
    if (const auto* limits = object_or_null(*o, "limits")) a.limits = json::serialize(*limits);
    if (const auto* held = object_or_null(*o, "isolation")) a.isolation = json::serialize(*held);
    if (const auto* checked = object_or_null(*o, "signature")) a.signature = json::serialize(*checked);
    if (auto steps = steps_in(*o); !steps.empty()) a.step_results = std::move(steps);
}

sigrun_result job_engine::on_state(const job_ptr& j, job_lock& lock, const member_ptr& from, const link_ptr& via,
                                   const sigrun_frame& frame) {
    bool final = (frame.flags & SIGRUN_FRAME_LAST) != 0;
    if (j->settling) return SIGRUN_OK;  // its end is on the way to the disk
    mark_running(*j);
    j->due[deadline::start] = {};
    if (!final && says_uploading(sdk::view(frame.json))) {
        on_uploading(j, lock, *j->current(), via, frame);
        return SIGRUN_OK;
    }
    if (!final) {
        note_limits(*j->current(), sdk::view(frame.json));
        arm(*j);
        return SIGRUN_OK;
    }
    auto how = ending_of(frame);
    take_artifacts(*j, *j->current(), how);
    how.log_missing = missing_output(*j, frame);
    if (j->spec->keep == durability::memory) {
        // The runner forgets a memory job as soon as it has sent its end.
        attempt_ended(j, lock, std::move(how));
        return SIGRUN_OK;
    }
    attempt_ended(j, lock, std::move(how), acknowledge_later(from, via, frame));
    return SIGRUN_OK;
}

ending job_engine::ending_of(const sigrun_frame& frame) {
    ending how;
    how.state = job_state::succeeded;
    how.exit_code = 0;
    if (frame.payload) how.result = buffer_ref::share(frame.payload);
    if (frame.json.len) {
        auto o = parse_object(sdk::view(frame.json));
        if (!o) {
            // Not a broken frame but a broken runner: it would say the same again on every connection.
            o = json::object{{"state", "failed"},
                             {"failure",
                              {{"class", "infra_runner"},
                               {"code", "bad_state"},
                               {"message", "the runner's final state cannot be read: " + o.error().text()}}}};
        }
        auto state = parse_job_state(text_or(*o, "state", "failed"));
        how.state = state && is_terminal(*state) ? *state : job_state::failed;
        how.exit_code.reset();
        if (const auto* code = o->if_contains("exit_code"); code && code->is_number())
            how.exit_code = number_or<int>(*o, "exit_code", -1);
        if (const auto* signal = o->if_contains("signal");
            signal && signal->is_number() && number_or<int>(*o, "signal", 0))
            how.signal = number_or<int>(*o, "signal", 0);
        if (const auto* why = object_or_null(*o, "failure"))
            how.why = {parse_failure_class(text_or(*why, "class")), std::string(text_or(*why, "code")),
                       std::string(text_or(*why, "message"))};
        else if (how.state == job_state::failed)
            how.why = {failure_class::user, "exit", "ended with code " + std::to_string(how.exit_code.value_or(-1))};
        if (const auto* usage = object_or_null(*o, "usage")) how.usage = json::serialize(*usage);
        if (const auto* limits = object_or_null(*o, "limits")) how.limits = json::serialize(*limits);
        if (const auto* held = object_or_null(*o, "isolation")) how.isolation = json::serialize(*held);
        if (const auto* checked = object_or_null(*o, "signature")) how.signature = json::serialize(*checked);
        how.steps = steps_in(*o);
        take_outputs(*o, how);
        if (const auto told = warnings_in(*o, "artifact_warnings"); !told.empty())
            how.artifact_warnings = json::serialize(told);
    }
    return how;
}

std::function<void()> job_engine::acknowledge_later(const member_ptr& from, const link_ptr& via,
                                                    const sigrun_frame& final_state) {
    std::string job_text(sdk::view(final_state.attempt->job)), token(sdk::view(final_state.attempt->token));
    return [this, from, via, job_text, token, number = final_state.attempt->number] {
        sigrun_attempt which{sizeof(sigrun_attempt), number, sdk::str(job_text), sdk::str(token)};
        sigrun_frame about{};
        about.attempt = &which;
        // The runner may have changed to another link while the disk was written.
        auto now = via->alive() ? nullptr : fleet_.choose(from, 0xffff).via;
        ack(now ? now : via, about, SIGRUN_STATE, 0);
    };
}

}  // namespace sigrun

#include "kernel/agent/assignment.hpp"

#include "kernel/agent/assignment_table.hpp"
#include "kernel/agent/readiness.hpp"
#include "kernel/base/json.hpp"
#include "kernel/base/quantity.hpp"
#include "kernel/guard/ed25519.hpp"
#include "kernel/job/job.hpp"
#include "kernel/log/loggers.hpp"

#include <sigrun/cpp/text.hpp>

namespace sigrun {
namespace {

// What is meant by a state without a word.
constexpr std::string_view k_runs = R"({"state":"running"})";
constexpr std::string_view k_succeeded = R"({"state":"succeeded","exit_code":0})";

// For people, and by the hash of no other attempt: the controller chooses all three.
std::string safe_name(const assignment_names& names) {
    constexpr std::size_t k_shown = 40, k_digits = 32;
    std::string name = names.job.substr(0, k_shown);
    for (char& c : name)
        if (!std::isalnum(static_cast<unsigned char>(c)) && c != '-') c = '_';
    const auto whole = sdk::concat(names.job, '\n', names.number, '\n', names.token);
    return sdk::concat(name, '-', names.number, '-', sha256_hex(whole).substr(0, k_digits));
}

}  // namespace

assignment::assignment(std::weak_ptr<assignment_table> table, plugin_host& host, assignment_offer offer,
                       executor_ptr executor)
    : table_(std::move(table)), host_(host), offer_(std::move(offer)), executor_(std::move(executor)) {}

void assignment::begin(const std::string& workspace_root, std::uint64_t min_free_disk) {
    auto judged = judge();
    if (!judged) return refuse_signature(judged.error());
    // Before anything that is here is touched for its sake.
    if (const auto begun = begins(*judged); !begun)
        return begun.error().code == errc::conflict ? refuse_signature(begun.error()) : refuse(begun.error());
    if (auto table = table_.lock()) table->abandon_older(offer_.names);
    auto workspace = prepare_workspace(workspace_root, safe_name(offer_.names), min_free_disk);
    if (!workspace) {
        has_not_begun(*judged);
        return refuse(workspace.error());
    }
    const auto limit = static_cast<std::uint64_t>(std::max<std::int64_t>(offer_.terms.run_timeout.count(), 0));
    {
        std::lock_guard lock(mutex_);
        workspace_ = *workspace;
        if (limit) deadline_ns_ = static_cast<std::uint64_t>(clock::system().now().time_since_epoch().count()) + limit;
    }
    if (auto remembered = remember(); !remembered) {
        remove_workspace(*workspace);
        has_not_begun(*judged);
        return refuse(remembered.error());
    }
    bool cancelled = false;
    {
        std::lock_guard lock(mutex_);
        answer_due_ = true;
        cancelled = cancel_grace_.has_value() || abandoned_;
        if (!cancelled) phase_ = phase::running;
    }
    pump();
    if (cancelled) {
        has_not_begun(*judged);
        return finish(ended_as("cancelled", "cancelled", "cancelled before it was started"));
    }
    run(false);
}

// Before the offer is accepted: an agent that dies right after that must find it again.
result<void> assignment::remember() {
    auto table = table_.lock();
    if (!table || !table->store().present()) return {};
    attempt_record what{offer_.names, offer_.terms.kind, offer_.document, {}, offer_.payload, offer_.terms.in_memory};
    {
        std::lock_guard lock(mutex_);
        if (!executor_ || !SIGRUN_HAS(executor_->table, attach)) return {};
        what.workspace = workspace_;
        what.deadline_ns = deadline_ns_;
        what.signature = signature_;
    }
    auto place = table->store().take(what);
    if (!place) return place.error();
    std::lock_guard lock(mutex_);
    place_ = *place;
    return {};
}

void assignment::restore(restored_attempt before) {
    std::lock_guard lock(mutex_);
    workspace_ = std::move(before.what.workspace);
    place_ = std::move(before.place);
    deadline_ns_ = before.what.deadline_ns;
    cause_ = before.what.cause;
    signature_ = std::move(before.what.signature);
    phase_ = phase::running;
    restored_ = log_unplaced_ = true;
}

void assignment::begin_ended(final_state how) { finish(std::move(how)); }

void assignment::refuse(const problem& why, std::string_view code, bool for_good) {
    SIGRUN_LOG(logs::agent, warning, "refused job ", offer_.names.job, ": ", why.text());
    json::object told{{"code", code.empty() ? to_string(why.code) : code}, {"message", why.text()}};
    if (for_good) told["final"] = true;
    const auto text = json::serialize(told);
    auto table = table_.lock();
    if (!table) return;
    link_ptr via;
    {
        std::lock_guard lock(mutex_);
        via = via_;
        executor_ = nullptr;
    }
    table->place_freed();  // whoever hears of the refusal may offer the next one
    // At each moment it is listed as open or as refused; and a controller that has just asked to go on with it, over another
    // link, hears of the refusal here, or finds no attempt and asks for the refusal.
    for (;;) {
        table->refuse(via, offer_.names, text);
        std::lock_guard lock(mutex_);
        if (via_ == via) {
            phase_ = phase::over;
            break;
        }
        via = via_;
    }
    table->forget(*this);
}

// From the moment the executor says that the job runs; see take_output.
void assignment::listen() {
    if (!offer_.terms.silent_timeout.count()) return;
    auto watch = std::make_shared<silence_watch>(host_.io(), offer_.terms.silent_timeout, [weak = weak_from_this()] {
        auto self = weak.lock();
        auto table = self ? self->table_.lock() : nullptr;
        if (!table) return;
        SIGRUN_LOG(logs::agent, info, "job ", self->offer_.names.job, " attempt ", self->offer_.names.number,
                   " has been silent for too long and is ended");
        self->cancel(table->kill_grace(), end_cause::silent);
    });
    std::lock_guard lock(mutex_);
    silence_ = std::move(watch);
}

void assignment::run(bool again) {
    auto self = shared_from_this();
    listen();
    executor_ptr held;  // its code runs on this stack even when the attempt has ended meanwhile
    {
        std::lock_guard lock(mutex_);
        held = executor_;
    }
    if (!held) return;
    const auto& executor = *held;
    sigrun_result started = SIGRUN_OK;
    host_.call_async(
        *executor.owner,
        [&](sigrun_op op) {
            {
                std::lock_guard lock(mutex_);
                op_ = op;
            }
            sigrun_attempt attempt{sizeof(sigrun_attempt), offer_.names.number, sdk::str(offer_.names.job),
                                   sdk::str(offer_.names.token)};
            sigrun_task task{sizeof(sigrun_task),
                             0,
                             &attempt,
                             sdk::str(offer_.terms.kind),
                             sdk::str(offer_.document),
                             sdk::str(workspace_),
                             offer_.payload.get(),
                             deadline_ns_,
                             sdk::str(place_)};
            sigrun_sink sink{sizeof(sigrun_sink), 0, this, &assignment::sink_frame};
            started = again ? executor.table->attach(executor.owner->abi(), &task, 0, &sink, op)
                            : executor.table->run(executor.owner->abi(), &task, &sink, op);
            return started;
        },
        // Holds the attempt until the executor is done with the sink.
        [self, bytes = executor.is_inline](result<buffer_ref> answer) { self->executor_done(answer, bytes); });
    if (started < 0) return;
    std::optional<nanoseconds> grace;
    {
        std::lock_guard lock(mutex_);
        cancellable_ = true;
        grace = cancel_grace_;
    }
    if (grace) ask_executor_to_cancel(*grace);
}

sigrun_result assignment::sink_frame(void* self, const sigrun_frame* frame) noexcept {
    try {
        return static_cast<assignment*>(self)->take_output(*frame);
    } catch (const std::exception&) {
        return SIGRUN_E_NOMEM;
    }
}

sigrun_result assignment::take_output(const sigrun_frame& frame) {
    {
        std::lock_guard lock(mutex_);
        if (abandoned_ || only_end_) return SIGRUN_OK;
        if (frame.kind == SIGRUN_STATE) {
            begun_ = running_due_ = true;
            if (silence_) silence_->begin();
            running_ = sdk::view(frame.json);
            if (!signature_.empty()) running_ = with_signature(running_.empty() ? k_runs : running_);
        } else if (frame.kind == SIGRUN_LOG) {
            if (auto r = add_output(frame); r != SIGRUN_OK) return r;
        } else {
            return SIGRUN_E_INVALID;
        }
    }
    pump();
    return SIGRUN_OK;
}

sigrun_result assignment::add_output(const sigrun_frame& frame) {
    auto content = buffer_ref::share(frame.payload);
    if (restored_) {
        // It begins where the spool does, and only the controller knows what it has of that.
        if (log_unplaced_) {
            output_refused_ = true;
            if (silence_) silence_->hold(true);
            return SIGRUN_E_BUSY;
        }
        const auto size = content.view().size();
        if (frame.offset + size <= log_.total()) return SIGRUN_OK;
        if (frame.offset < log_.total())
            content = buffer_ref::copy_of(content.view().substr(static_cast<std::size_t>(log_.total() - frame.offset)));
        else if (frame.offset > log_.total() && log_.unacked() == 0)
            log_.begin_at(frame.offset);  // the controller lost what it had acknowledged
    }
    if (log_.add(frame.stream, frame.time_ns, content.get())) {
        if (silence_) silence_->heard();
        return SIGRUN_OK;
    }
    output_refused_ = true;
    if (silence_) silence_->hold(true);
    return SIGRUN_E_BUSY;
}

void assignment::executor_done(const result<buffer_ref>& answer, bool bytes) {
    end_cause cause = end_cause::none;
    {
        std::lock_guard lock(mutex_);
        cause = only_end_ ? end_cause::cancelled : cause_;
    }
    auto how = conclusion(answer, bytes, cause);
    if (leaves_artifacts(how, cause)) return upload(std::move(how));
    finish(std::move(how));
}

final_state assignment::conclusion(const result<buffer_ref>& answer, bool bytes, end_cause cause) const {
    if (cause == end_cause::preempted)
        return ended_as("preempted", "drain", "the runner was drained before the job ended");
    if (cause == end_cause::silent)
        return conclude_ended(answer, "user_timeout", "silent",
                              sdk::concat("it had no output for longer than timeouts.silent (",
                                          format_duration(offer_.terms.silent_timeout), ")"));
    return conclude(answer, bytes);
}

void assignment::finish(final_state how) {
    bool gone = false;
    executor_ptr done_with;
    std::shared_ptr<silence_watch> silence;
    std::shared_ptr<artifact_sender> sent;
    {
        std::lock_guard lock(mutex_);
        if (phase_ >= phase::ended) return;
        phase_ = phase::ended;
        done_with.swap(executor_);
        sent.swap(sender_);
        uploading_due_ = false;
        silence.swap(silence_);
        final_ = std::move(how);
        if (!signature_.empty()) final_.json = with_signature(final_.json.empty() ? k_succeeded : final_.json);
        final_due_ = true;
        ended_at_ = clock::system().now();
        op_ = 0;
        cancellable_ = false;
        gone = abandoned_;
    }
    if (silence) silence->end();
    if (auto table = table_.lock()) table->place_freed();
    if (gone)
        leave();
    else
        pump();
}

void assignment::cancel(nanoseconds grace, end_cause cause) {
    std::string noted;
    bool told = false, uploads = false;
    {
        std::lock_guard lock(mutex_);
        uploads = phase_ == phase::uploading;
        if (phase_ >= phase::ended) {
            final_due_ = true;  // the answer to a cancel is the final state
        } else {
            if (cause_ == end_cause::none) {
                cause_ = cause;
                // Anything else the executor knows, too.
                if (cause == end_cause::preempted || cause == end_cause::silent) noted = place_;
            }
            if (!cancel_grace_ || grace < *cancel_grace_) cancel_grace_ = grace;
            told = !cancellable_;  // run() looks when it is
        }
    }
    if (auto table = noted.empty() ? nullptr : table_.lock()) table->store().note(noted, cause);
    if (uploads)
        finish(cause == end_cause::preempted
                   ? ended_as("preempted", "drain", "the runner was drained before the job's artifacts had arrived")
                   : ended_as("cancelled", "cancelled", "cancelled while its artifacts were uploaded"));
    else if (ended())
        pump();
    else if (!told)
        ask_executor_to_cancel(grace);
}

void assignment::abandon(nanoseconds grace) {
    bool gone = false;
    {
        std::lock_guard lock(mutex_);
        abandoned_ = true;
        log_.drop();
        gone = phase_ == phase::ended;
    }
    if (gone)
        leave();
    else
        cancel(grace, end_cause::cancelled);
}

void assignment::stop(const link_ptr& via, nanoseconds grace) {
    {
        std::lock_guard lock(mutex_);
        via_ = via;
        ++connection_;
        only_end_ = true;
        log_unplaced_ = running_due_ = uploading_due_ = false;
        log_.drop();
    }
    tell_executor_of_log(true);  // its output has room again, wherever it goes
    cancel(grace, end_cause::cancelled);
}

void assignment::ask_executor_to_cancel(nanoseconds grace) {
    auto self = shared_from_this();
    host_.post_work([self, grace] {
        sigrun_op op = 0;
        executor_ptr executor;
        {
            std::lock_guard lock(self->mutex_);
            op = self->op_;
            executor = self->executor_;
        }
        if (op == 0 || !executor || !SIGRUN_HAS(executor->table, cancel)) return;
        auto r = executor->table->cancel(executor->owner->abi(), op, static_cast<std::uint64_t>(grace.count()));
        if (r < 0 && r != SIGRUN_E_NOT_FOUND)
            SIGRUN_LOG(logs::agent, warning, "the executor cannot cancel job ", self->offer_.names.job, ": result ", r);
    });
}

bool assignment::resume(const link_ptr& via, std::uint64_t log_offset) {
    {
        std::lock_guard lock(mutex_);
        if (phase_ == phase::over) return false;
        via_ = via;
        ++connection_;
        if (std::exchange(log_unplaced_, false)) log_.begin_at(log_offset);
        log_.resume(log_offset);
        say_artifacts_again();
        running_due_ = begun_;  // the first word of it may have gone down with the link before
        final_due_ = phase_ == phase::ended;
    }
    tell_executor_of_log(true);
    pump();
    return true;
}

// Under the lock.
void assignment::say_artifacts_again() {
    if (!sender_) return;
    sender_->say_again();
    uploading_due_ = true;
}

void assignment::offered_again(const link_ptr& via) {
    {
        std::lock_guard lock(mutex_);
        via_ = via;
        ++connection_;
        answer_due_ = phase_ != phase::preparing;
        say_artifacts_again();
        final_due_ = phase_ == phase::ended;
        log_unplaced_ = false;  // of an attempt that it still offers, the controller has no output
        log_.resume(log_.total() - log_.unacked());
    }
    pump();
}

void assignment::link_lost(const link_ptr& via) {
    std::lock_guard lock(mutex_);
    if (via_ && via_ != via) return;
    via_ = nullptr;
    ++connection_;
}

void assignment::log_acked(std::uint64_t offset) {
    bool room = false;
    {
        std::lock_guard lock(mutex_);
        log_.acked(offset);
        // Half a window at once: a wake-up for each piece would cost more than the piece.
        if (output_refused_ && log_.unacked() <= k_log_window / 2) room = std::exchange(output_refused_, false);
        if (room && silence_) silence_->hold(false);
    }
    pump();
    tell_executor_of_log(room);
}

void assignment::tell_executor_of_log(bool room) {
    sigrun_op op = 0;
    executor_ptr executor;
    std::uint64_t stored = 0;
    {
        std::lock_guard lock(mutex_);
        op = op_;
        executor = executor_;
        stored = log_.total() - log_.unacked();
    }
    if (op == 0 || !executor) return;
    const auto& table = *executor->table;
    if (SIGRUN_HAS(&table, stored)) table.stored(executor->owner->abi(), op, stored);
    if (room && SIGRUN_HAS(&table, resume)) table.resume(executor->owner->abi(), op);
}

void assignment::state_acked() {
    {
        std::lock_guard lock(mutex_);
        if (phase_ != phase::ended) return;
    }
    leave();
}

assignment::summary assignment::inventory() const {
    std::lock_guard lock(mutex_);
    return {phase_ >= phase::ended, begun_, log_.total()};
}

bool assignment::ended() const {
    std::lock_guard lock(mutex_);
    return phase_ >= phase::ended;
}

// A controller that answers at once makes this superfluous, which is why it is not done for every attempt.
void assignment::keep_end(time_point then) {
    std::string place;
    {
        std::lock_guard lock(mutex_);
        if (phase_ != phase::ended || end_kept_ || place_.empty() || ended_at_ > then || offer_.terms.in_memory) return;
        end_kept_ = true;
        place = place_;
    }
    host_.post_work([table = table_.lock(), place] {
        if (table) table->store().sync(place);
    });
}

void assignment::leave() {
    std::string workspace, place;
    {
        std::lock_guard lock(mutex_);
        if (phase_ == phase::over) return;
        phase_ = phase::over;
        workspace.swap(workspace_);
        place.swap(place_);
    }
    auto table = table_.lock();
    if (table) table->forget(*this);
    if (workspace.empty() && place.empty()) return;
    host_.post_work([workspace, place, table] {
        if (!workspace.empty()) remove_workspace(workspace);
        // Last: an agent that dies between the two finds it again, and removes the workspace then.
        if (table && !place.empty()) table->store().give_back(place);
    });
}

}  // namespace sigrun

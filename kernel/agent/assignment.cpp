#include "kernel/agent/assignment.hpp"

#include "kernel/agent/assignment_table.hpp"
#include "kernel/agent/readiness.hpp"
#include "kernel/base/json.hpp"
#include "kernel/log/log.hpp"

#include <sigrun/cpp/text.hpp>

namespace sigrun {
namespace {

const auto k_log = logger::get("agent");

std::string safe_name(const assignment_names& names) {
    std::string name = names.job + "-" + std::to_string(names.number);
    for (char& c : name)
        if (!std::isalnum(static_cast<unsigned char>(c)) && c != '-') c = '_';
    return name.substr(0, 128);
}

}  // namespace

assignment::assignment(std::weak_ptr<assignment_table> table, plugin_host& host, assignment_offer offer,
                       executor_ptr executor)
    : table_(std::move(table)), host_(host), offer_(std::move(offer)), executor_(std::move(executor)) {}

void assignment::begin(const std::string& workspace_root, std::uint64_t min_free_disk) {
    auto workspace = prepare_workspace(workspace_root, safe_name(offer_.names), min_free_disk);
    if (!workspace) return refuse(workspace.error());
    bool cancelled = false;
    {
        std::lock_guard lock(mutex_);
        workspace_ = *workspace;
        answer_due_ = true;
        cancelled = cancel_grace_.has_value() || abandoned_;
        if (!cancelled) phase_ = phase::running;
    }
    pump();
    if (cancelled) return finish(ended_as("cancelled", "cancelled", "cancelled before it was started"));
    run();
}

void assignment::begin_ended(final_state how) { finish(std::move(how)); }

void assignment::refuse(const problem& why) {
    SIGRUN_LOG(k_log, warning, "refused job ", offer_.names.job, ": ", why.text());
    {
        std::lock_guard lock(mutex_);
        refusal_ = json::serialize(json::object{{"code", to_string(why.code)}, {"message", why.text()}});
        answer_due_ = true;
        phase_ = phase::ended;
        executor_ = nullptr;
    }
    if (auto table = table_.lock()) table->place_freed();
    pump();
}

void assignment::run() {
    auto self = shared_from_this();
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
            auto now = static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
            auto limit = static_cast<std::uint64_t>(std::max<std::int64_t>(offer_.terms.run_timeout.count(), 0));
            sigrun_task task{sizeof(sigrun_task),
                             0,
                             &attempt,
                             sdk::str(offer_.terms.kind),
                             sdk::str(offer_.document),
                             sdk::str(workspace_),
                             offer_.payload.get(),
                             limit ? now + limit : 0};
            sigrun_sink sink{sizeof(sigrun_sink), 0, this, &assignment::sink_frame};
            started = executor.table->run(executor.owner->abi(), &task, &sink, op);
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
        if (abandoned_) return SIGRUN_OK;
        if (frame.kind == SIGRUN_STATE) {
            running_due_ = true;
        } else if (frame.kind == SIGRUN_LOG) {
            if (!log_.add(frame.stream, frame.time_ns, frame.payload)) {
                output_refused_ = true;
                return SIGRUN_E_BUSY;
            }
        } else {
            return SIGRUN_E_INVALID;
        }
    }
    pump();
    return SIGRUN_OK;
}

void assignment::executor_done(const result<buffer_ref>& answer, bool bytes) {
    end_cause cause = end_cause::none;
    {
        std::lock_guard lock(mutex_);
        cause = cause_;
    }
    if (cause == end_cause::preempted)
        return finish(ended_as("preempted", "drain", "the runner was drained before the job ended"));
    finish(conclude(answer, bytes));
}

void assignment::finish(final_state how) {
    bool gone = false;
    executor_ptr done_with;
    {
        std::lock_guard lock(mutex_);
        if (phase_ >= phase::ended) return;
        phase_ = phase::ended;
        done_with.swap(executor_);
        final_ = std::move(how);
        final_due_ = true;
        op_ = 0;
        cancellable_ = false;
        gone = abandoned_;
    }
    if (auto table = table_.lock()) table->place_freed();
    if (gone)
        leave();
    else
        pump();
}

void assignment::cancel(nanoseconds grace, end_cause cause) {
    {
        std::lock_guard lock(mutex_);
        if (phase_ >= phase::ended) {
            final_due_ = refusal_.empty();  // the answer to a cancel is the final state
        } else {
            if (cause_ == end_cause::none) cause_ = cause;
            if (!cancel_grace_ || grace < *cancel_grace_) cancel_grace_ = grace;
            if (!cancellable_) return;  // run() looks when it is
        }
    }
    if (ended())
        pump();
    else
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
            SIGRUN_LOG(k_log, warning, "the executor cannot cancel job ", self->offer_.names.job, ": result ", r);
    });
}

void assignment::resume(const link_ptr& via, std::uint64_t log_offset) {
    {
        std::lock_guard lock(mutex_);
        via_ = via;
        ++connection_;
        log_.resume(log_offset);
        final_due_ = phase_ == phase::ended && refusal_.empty();
    }
    pump();
}

void assignment::offered_again(const link_ptr& via) {
    {
        std::lock_guard lock(mutex_);
        via_ = via;
        ++connection_;
        answer_due_ = phase_ != phase::preparing;
        final_due_ = phase_ == phase::ended && refusal_.empty();
        log_.resume(log_.total() - log_.unacked());
    }
    pump();
}

void assignment::link_lost(const link_ptr& via) {
    bool void_now = false;
    {
        std::lock_guard lock(mutex_);
        if (via_ && via_ != via) return;
        via_ = nullptr;
        ++connection_;
        void_now = !refusal_.empty();  // nobody waits for the answer any more
    }
    if (void_now) leave();
}

void assignment::log_acked(std::uint64_t offset) {
    bool room = false;
    {
        std::lock_guard lock(mutex_);
        log_.acked(offset);
        // Half a window at once: a wake-up for each piece would cost more than the piece.
        if (output_refused_ && log_.unacked() <= k_log_window / 2) room = std::exchange(output_refused_, false);
    }
    pump();
    if (room) tell_executor_of_room();
}

void assignment::tell_executor_of_room() {
    sigrun_op op = 0;
    executor_ptr executor;
    {
        std::lock_guard lock(mutex_);
        op = op_;
        executor = executor_;
    }
    if (op != 0 && executor && SIGRUN_HAS(executor->table, resume)) executor->table->resume(executor->owner->abi(), op);
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
    return {phase_ >= phase::ended, log_.total()};
}

bool assignment::ended() const {
    std::lock_guard lock(mutex_);
    return phase_ >= phase::ended;
}

void assignment::leave() {
    std::string workspace;
    {
        std::lock_guard lock(mutex_);
        if (phase_ == phase::over) return;
        phase_ = phase::over;
        workspace.swap(workspace_);
    }
    if (auto table = table_.lock()) table->forget(*this);
    if (!workspace.empty()) host_.post_work([workspace] { remove_workspace(workspace); });
}

}  // namespace sigrun

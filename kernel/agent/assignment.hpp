// One attempt on this runner, from its accepted offer to the acknowledged final state.
//
//   preparing --gate passed--> running --executor done--> ended --final state acknowledged--> over
//                                  +------> uploading -----^    if it has left artifacts
//
// A connection may come and go in each state; the attempt goes on, and what the controller has not stored is sent again. The
// agent may go, too, where the executor can attach: the next one begins with take_over.
// [any]; one lock, not held while the link or the executor is called.
#pragma once

#include "kernel/agent/artifact_sender.hpp"
#include "kernel/agent/assignment_names.hpp"
#include "kernel/agent/attempt_store.hpp"
#include "kernel/agent/executor_set.hpp"
#include "kernel/agent/final_state.hpp"
#include "kernel/agent/log_window.hpp"
#include "kernel/agent/signed_jobs.hpp"
#include "kernel/agent/silence_watch.hpp"
#include "kernel/link/link.hpp"

#include <sigrun/executor.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace sigrun {

class assignment_table;

struct assignment_offer {
    assignment_names names;
    offer_terms terms;  // without the executor
    std::string document;
    buffer_ref payload;
};

class assignment : public std::enable_shared_from_this<assignment> {
public:
    // Enough for about 2 ms at 500 MB/s: what it takes to be acknowledged when both ends have to be woken.
    static constexpr std::uint64_t k_log_window = 1024 * 1024;

    /// `executor` may be null for one that only ends.
    assignment(std::weak_ptr<assignment_table> table, plugin_host& host, assignment_offer offer, executor_ptr executor);

    const assignment_names& names() const noexcept { return offer_.names; }

    /// [work] Passes the gate, answers the offer, hands the task to the executor.
    void begin(const std::string& workspace_root, std::uint64_t min_free_disk);
    /// It is one that `begin` of an earlier agent has started; before anything else is called. take_over then goes on with it.
    void restore(restored_attempt before);
    /// [work]
    void take_over() { run(true); }
    /// Ends already: a state that needs no executor (inline results that must be acknowledged).
    void begin_ended(final_state how);
    /// TERM, grace, KILL. Repeating it can only shorten the grace.
    void cancel(nanoseconds grace, end_cause cause);
    /// Ends it, and nobody wants to hear of it again.
    void abandon(nanoseconds grace);
    /// Ends it; the controller takes nothing of it any more but the word that it has ended, over this link.
    void stop(const link_ptr& via, nanoseconds grace);

    /// Frames go to this link now; sends again what was not acknowledged, from `log_offset` on. False: it is over.
    bool resume(const link_ptr& via, std::uint64_t log_offset);
    /// The same offer came again.
    void offered_again(const link_ptr& via);
    void link_lost(const link_ptr& via);
    void log_acked(std::uint64_t offset);
    void state_acked();
    /// Up to where the controller has its artifacts; `fault` (JSON) not empty: it does not take them.
    void artifacts_answered(std::uint64_t position, std::string_view fault);
    /// Sends what can be sent. Frames of one attempt never overlap.
    void pump();

    struct summary {
        bool finished = false, begun = false;
        std::uint64_t log_bytes = 0;
    };
    summary inventory() const;
    bool ended() const;
    /// Its end waits for an acknowledgement since before `then`: it is brought to the disk, once.
    void keep_end(time_point then);

private:
    enum class phase { preparing, running, uploading, ended, over };
    struct outgoing;

    static sigrun_result sink_frame(void* self, const sigrun_frame* frame) noexcept;
    sigrun_result take_output(const sigrun_frame& frame);
    /// `code`: in the place of that of the problem. `for_good`: it would be refused whenever it came.
    void refuse(const problem& why, std::string_view code = {}, bool for_good = false);
    void refuse_signature(const problem& why);
    result<signed_jobs::verdict> judge();
    result<void> begins(signed_jobs::verdict& judged);
    void has_not_begun(const signed_jobs::verdict& judged);
    std::string with_signature(std::string_view state) const;
    result<void> remember();
    void run(bool again);
    void executor_done(const result<buffer_ref>& answer, bool bytes);
    final_state conclusion(const result<buffer_ref>& answer, bool bytes, end_cause cause) const;
    void listen();
    void finish(final_state how);
    bool leaves_artifacts(const final_state& how, end_cause cause) const;
    void upload(final_state how);
    void say_artifacts_again();
    void fill();
    void ask_executor_to_cancel(nanoseconds grace);
    void tell_executor_of_log(bool room);
    sigrun_result add_output(const sigrun_frame& frame);
    bool next_frame(outgoing& out);
    static bool counts_early(const outgoing& out) noexcept;
    void note_sent(const outgoing& out);
    void note_unsent(const outgoing& out);
    void leave();  // removes it from the table and its workspace from the disk

    const std::weak_ptr<assignment_table> table_;
    plugin_host& host_;
    assignment_offer offer_;  // changed by `begin` alone, before the executor has it

    mutable std::mutex mutex_;  // everything below
    phase phase_ = phase::preparing;
    std::string workspace_;
    std::string place_;  // in the store of attempts; empty: it ends with this agent
    bool restored_ = false;
    bool log_unplaced_ = false;  // restored, and the controller has not said yet how much it has
    link_ptr via_;
    std::uint64_t connection_ = 0;  // counts resumes: a frame sent over an older one does not count as sent
    log_window log_{k_log_window};
    bool pumping_ = false;
    bool pump_again_ = false;
    bool answer_due_ = false;
    bool begun_ = false;  // the executor has said that it runs
    bool running_due_ = false;
    std::string running_;    // JSON, if the executor says more than that it runs
    std::string signature_;  // JSON: what came of its signature; empty: nobody asked for one
    bool final_due_ = false;
    std::shared_ptr<artifact_sender> sender_;  // while it uploads, once its files were found
    bool uploading_due_ = false;
    final_state final_;
    time_point ended_at_{};
    bool end_kept_ = false;

    executor_ptr executor_;  // until it has ended: a replaced one is not kept for an acknowledgement that is late
    sigrun_op op_ = 0;
    bool cancellable_ = false;     // run has returned
    bool output_refused_ = false;  // the executor holds output that did not fit
    std::optional<nanoseconds> cancel_grace_;
    end_cause cause_ = end_cause::none;
    bool abandoned_ = false;
    bool only_end_ = false;  // is told
    std::uint64_t deadline_ns_ = 0;
    std::shared_ptr<silence_watch> silence_;  // null: the job may be silent for as long as it likes
};
using assignment_ptr = std::shared_ptr<assignment>;

}  // namespace sigrun

#include "session_inbox.hpp"

namespace sigrun::websocket {
namespace {

bool is_final(const sdk::wire_frame& f) { return f.kind == SIGRUN_BYE && (f.flags & SIGRUN_FRAME_LAST); }

/// A LOG that does not fit to its attempt (a gap) is settled between the two ends of the job.
bool is_fault(const sdk::wire_frame& f, sigrun_result answer) {
    return answer == SIGRUN_E_INVALID && !(f.kind == SIGRUN_LOG && f.attempt);
}

}  // namespace

bool session_inbox::open(const sigrun_sink& sink) {
    if (state_ == closed) {
        if (closed_by_loss_ && !bye_said_) say_bye(sink);
        return true;
    }
    sink_ = sink;
    state_ = opened;
    return retry();
}

bool session_inbox::take(sdk::wire_frame frame) {
    if (state_ == closed || bye_said_) return true;
    if (state_ != opened || !kept_.empty()) {
        const bool passes = state_ == opened && frame.kind != SIGRUN_LOG && !is_final(frame) &&
                            !(frame.attempt && kept_attempts_.count(frame.token));
        if (!passes) return keep(std::move(frame)), true;
    }
    bye_said_ = is_final(frame);  // the peer's own BYE|LAST is the one that the sink gets
    const auto answer = sdk::deliver_frame(shared_.host, sink_, frame);
    if (answer == SIGRUN_E_BUSY && !bye_said_) return keep(std::move(frame)), true;
    return !is_fault(frame, answer);
}

bool session_inbox::retry() {
    while (state_ == opened && !bye_said_ && !kept_.empty()) {
        const auto& frame = kept_.front();
        bye_said_ = is_final(frame);
        const auto answer = sdk::deliver_frame(shared_.host, sink_, frame);
        if (answer == SIGRUN_E_BUSY && !bye_said_) return true;
        const bool fault = is_fault(frame, answer);
        forget_first();
        if (fault) return false;
    }
    return true;
}

void session_inbox::keep(sdk::wire_frame frame) {
    kept_bytes_ += frame.kept_size();
    if (frame.attempt) ++kept_attempts_[frame.token];
    kept_.push_back(std::move(frame));
}

void session_inbox::forget_first() {
    const auto& first = kept_.front();
    kept_bytes_ -= first.kept_size();
    if (first.attempt) {
        const auto found = kept_attempts_.find(first.token);
        if (--found->second == 0) kept_attempts_.erase(found);
    }
    kept_.pop_front();
}

void session_inbox::say_bye(const sigrun_sink& sink) {
    bye_said_ = true;
    sdk::deliver_bye(sink, reason_);
}

void session_inbox::close(std::string_view reason, bool by_host) {
    const auto before = std::exchange(state_, closed);
    closed_by_loss_ = !by_host;
    if (before == closed) return;
    kept_.clear();
    kept_attempts_.clear();
    kept_bytes_ = 0;
    reason_ = reason;
    if (before == opened && !bye_said_) say_bye(sink_);
}

}  // namespace sigrun::websocket

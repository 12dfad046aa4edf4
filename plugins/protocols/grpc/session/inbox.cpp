#include "session/inbox.hpp"

namespace sigrun::grpc {

namespace {
bool is_final(const v1::Frame& f) noexcept { return f.kind() == v1::Frame::BYE && (f.flags() & SIGRUN_FRAME_LAST); }
std::size_t weight(const v1::Frame& f) noexcept { return f.payload().size() + f.json().size() + 64; }

/// What the sink's answer means for the stream. A LOG that does not fit to its attempt (a gap) is settled between the two
/// ends of the job.
std::optional<std::string> judge(const v1::Frame& f, sigrun_result answer) {
    if (answer != SIGRUN_E_INVALID || f.kind() == v1::Frame::LOG) return std::nullopt;
    return "frame: its content is malformed";
}
}  // namespace

std::optional<std::string> inbox::open(const sigrun_sink& sink) {
    sink_ = sink;
    if (state_ == closed) {
        if (closed_by_loss_ && !bye_said_) say(SIGRUN_BYE, SIGRUN_FRAME_LAST, bye_json(reason_));
        return std::nullopt;
    }
    state_ = opened;
    return retry();
}

std::optional<std::string> inbox::take(v1::Frame frame) {
    if (state_ == none) return "frame: this stream carries no session";
    if (state_ == closed || bye_said_) return std::nullopt;
    if (auto bad = fault_of(frame)) return bad;
    const auto key = attempt_key(frame);
    if (state_ == expected || !kept_.empty()) {
        const bool passes =
            state_ == opened && frame.kind() != v1::Frame::LOG && !is_final(frame) && !(key && kept_keys_.count(key));
        if (!passes) return keep(std::move(frame), key), std::nullopt;
    }
    bye_said_ = is_final(frame);  // the peer's own BYE with LAST is the one that the sink gets
    const auto answer = offer(frame);
    if (answer == SIGRUN_E_BUSY && !bye_said_) return keep(std::move(frame), key), std::nullopt;
    consumed(frame);
    return judge(frame, answer);
}

std::optional<std::string> inbox::retry() {
    while (state_ == opened && !bye_said_ && !kept_.empty()) {
        auto& head = kept_.front();
        bye_said_ = is_final(head.frame);
        const auto answer = offer(head.frame);
        if (answer == SIGRUN_E_BUSY && !bye_said_) return std::nullopt;
        if (auto bad = judge(head.frame, answer)) return bad;
        consumed(head.frame);
        kept_bytes_ -= weight(head.frame);
        if (head.key) {
            auto found = kept_keys_.find(head.key);
            if (--found->second == 0) kept_keys_.erase(found);
        }
        kept_.pop_front();
    }
    return std::nullopt;
}

void inbox::keep(v1::Frame frame, std::uint64_t key) {
    kept_bytes_ += weight(frame);
    if (key) ++kept_keys_[key];
    kept_.push_back({std::move(frame), key});
}

sigrun_result inbox::offer(const v1::Frame& f) {
    frame_view seen(f);
    sdk::buffer payload;
    if (f.has_payload()) {
        payload = sdk::buffer(host_, f.payload());
        seen.frame.payload = payload.get();
    }
    return sink_.on_frame(sink_.ctx, &seen.frame);
}

void inbox::consumed(const v1::Frame& f) noexcept {
    if (f.kind() == v1::Frame::LOG) consumed_ += f.payload().size();
}

std::uint64_t inbox::credit_due() noexcept {
    if (consumed_ < k_log_window / 2) return 0;
    return std::exchange(consumed_, 0);
}

void inbox::say(std::uint32_t kind, std::uint32_t flags, std::string_view json) {
    if (bye_said_ || (state_ != opened && state_ != closed)) return;
    bye_said_ = kind == SIGRUN_BYE && (flags & SIGRUN_FRAME_LAST);
    sigrun_frame frame{};
    frame.struct_size = sizeof frame;
    frame.kind = kind;
    frame.flags = flags;
    frame.json = sdk::str(json);
    sink_.on_frame(sink_.ctx, &frame);
}

void inbox::close(std::string_view reason, bool by_host) {
    const auto before = std::exchange(state_, closed);
    if (before == closed) return;
    closed_by_loss_ = !by_host;
    kept_.clear();
    kept_keys_.clear();
    kept_bytes_ = 0;
    reason_ = reason;
    if (before == opened && !bye_said_) say(SIGRUN_BYE, SIGRUN_FRAME_LAST, bye_json(reason_));
}

}  // namespace sigrun::grpc

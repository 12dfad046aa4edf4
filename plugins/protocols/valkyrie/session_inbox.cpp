#include "session_inbox.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

namespace sigrun::valkyrie {

namespace {
bool is_final(const frame_header& header) noexcept { return header.type == type::bye && (header.flags & flag::last); }

/// What the sink's answer means for the connection. A LOG that does not fit to its attempt (a gap) is settled between
/// the two ends of the job.
refusal judge(const session_message& message, sigrun_result answer) noexcept {
    if (answer != SIGRUN_E_INVALID || (message.frame.kind == SIGRUN_LOG && message.frame.attempt)) return {};
    return {code::protocol, "session frame: its content is malformed"};
}

void offer_decoded(const core& shared, const sigrun_sink& sink, session_message& message, sigrun_result& answer) {
    sdk::buffer payload;
    if (message.has_payload) {
        payload = sdk::buffer(shared.host, message.payload);
        message.frame.payload = payload.get();
    }
    answer = sink.on_frame(sink.ctx, &message.frame);
}
}  // namespace

refusal offer_frame(const core& shared, const sigrun_sink& sink, const frame_header& header, std::string_view body,
                    sigrun_result& answer) {
    session_message message;
    if (auto bad = decode_session(header, body, message)) return bad;
    offer_decoded(shared, sink, message, answer);
    return {};
}

refusal session_inbox::open(const sigrun_sink& sink) {
    if (state_ == closed) {
        if (closed_by_loss_ && !bye_said_) say_bye(sink, reason_);
        return {};
    }
    sink_ = sink;
    state_ = opened;
    return retry();
}

refusal session_inbox::take(const frame_header& header, std::string_view body) {
    if (state_ == none) return {code::no_session, "session frame: this connection carries no session"};
    if (state_ == closed) return {};
    if (header.type == type::log) {
        if (arrived_ >= granted_) return {code::flow_control, "LOG: sent without credit"};
        arrived_ += body.size();
    }
    session_message message;
    if (auto bad = decode_session(header, body, message)) return bad;
    if (state_ == expected || !kept_.empty()) {
        auto key = attempt_key(message.frame.attempt);
        bool passes =
            state_ == opened && header.type != type::log && !is_final(header) && !(key && kept_keys_.count(key));
        if (!passes) return keep(header, body, key), refusal{};
    }
    if (bye_said_) return {};
    bye_said_ = is_final(header);  // the peer's own BYE|LAST is the one that the sink gets
    sigrun_result answer = SIGRUN_OK;
    offer_decoded(shared_, sink_, message, answer);
    if (answer == SIGRUN_E_BUSY && !bye_said_)
        keep(header, body, attempt_key(message.frame.attempt));
    else
        consumed(header, body.size());
    return judge(message, answer);
}

refusal session_inbox::retry() {
    while (state_ == opened && !bye_said_ && !kept_.empty()) {
        auto& head = kept_.front();
        sigrun_result answer = SIGRUN_OK;
        bye_said_ = is_final(head.header);
        session_message message;
        if (auto bad = decode_session(head.header, head.body, message)) return bad;
        offer_decoded(shared_, sink_, message, answer);
        if (answer == SIGRUN_E_BUSY && !bye_said_) return {};
        if (auto bad = judge(message, answer)) return bad;
        consumed(head.header, head.body.size());
        kept_bytes_ -= head.body.size();
        if (head.key) {
            auto found = kept_keys_.find(head.key);
            if (--found->second == 0) kept_keys_.erase(found);
        }
        kept_.pop_front();
    }
    return {};
}

void session_inbox::keep(const frame_header& header, std::string_view body, std::uint64_t key) {
    kept_.push_back({header, std::string(body), key});
    kept_bytes_ += body.size();
    if (key) ++kept_keys_[key];
}

void session_inbox::consumed(const frame_header& header, std::size_t bytes) noexcept {
    if (header.type == type::log) consumed_ += bytes;
}

std::uint64_t session_inbox::credit_due() noexcept {
    if (consumed_ < window_ / 2) return 0;
    granted_ += consumed_;
    return std::exchange(consumed_, 0);
}

void session_inbox::say_bye(const sigrun_sink& sink, std::string_view reason) {
    bye_said_ = true;
    boost::json::object document;
    document["reason"] = reason;
    auto json = boost::json::serialize(document);
    sigrun_frame bye{};
    bye.struct_size = sizeof bye;
    bye.kind = SIGRUN_BYE;
    bye.flags = SIGRUN_FRAME_LAST;
    bye.json = sdk::str(json);
    sink.on_frame(sink.ctx, &bye);
}

void session_inbox::close(std::string_view reason, bool by_host) {
    auto before = std::exchange(state_, closed);
    closed_by_loss_ = !by_host;
    if (before == closed) return;
    kept_.clear();
    kept_keys_.clear();
    kept_bytes_ = 0;
    reason_ = reason;
    if (before == opened && !bye_said_) say_bye(sink_, reason_);
}

}  // namespace sigrun::valkyrie

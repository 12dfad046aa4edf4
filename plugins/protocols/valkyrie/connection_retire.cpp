// How an accepted connection of an instance that a newer generation has replaced comes to its end.
#include "connection.hpp"

#include <sys/ioctl.h>

namespace sigrun::valkyrie {

namespace {
constexpr std::string_view k_elsewhere =
    R"({"reason":"a newer generation of the protocol plugin serves from now on","reconnect":true})";

void encode_bye(byte_buffer& out) {
    sigrun_frame bye{};
    bye.struct_size = sizeof bye;
    bye.kind = SIGRUN_BYE;
    bye.json = sdk::str(k_elsewhere);
    encode_session(out, {k_stream_session, k_priority_control}, bye, {});
}
}  // namespace

void connection::retire() {
    if (from_.side != role::accepted || retired_at_ || phase_ != phase::open) return;  // on_hello comes here again
    retired_at_ = loop_.now();
    {
        std::lock_guard lock(mutex_);
        if (!usable_) return;
        if (session_expected_)
            say_reconnect();
        else
            encode_reconnect(output_.control(), k_elsewhere);
    }
    loop_.flush_soon(*this);
    arm_deadlines();
}

/// Under the mutex. A session that begins on a retired connection says it, too: whoever opened it may have heard the
/// RECONNECT before it had a session to bring elsewhere.
void connection::say_reconnect() {
    if (std::exchange(session_told_, true)) return;
    encode_bye(output_.control());
}

void connection::cut() {
    if (phase_ != phase::lingering) end(SIGRUN_E_TIMEOUT, code::shutdown, "retired: the deadline has passed");
}

/// When a retired connection that nobody uses is closed; 0 = it is not retired, or carries a session.
std::uint64_t connection::retired_until() const noexcept {
    if (!retired_at_ || inbox_.is_wanted()) return 0;
    auto limit = static_cast<std::uint64_t>(shared_->options.retired_idle.count());
    return std::max(retired_at_, last_call_.load(std::memory_order_relaxed)) + limit;
}

void connection::end_if_left_alone(std::uint64_t now) {
    auto until = retired_until();
    if (!until || now < until) return;
    end_if_idle(code::shutdown, "retired: the peer was told to reconnect and has not called since");
    if (phase_ == phase::open) last_call_ = now;  // a call is open or on its way: ask again later
}

/// The beginning of a call that was not read yet: closing now would lose it.
bool connection::has_unread() const noexcept {
    int bytes = 0;
    return ioctl(fd_, FIONREAD, &bytes) == 0 && bytes > 0;
}

refusal connection::on_reconnect(const frame_header& header, std::string_view body) {
    if (from_.side == role::accepted) return {code::order, "RECONNECT: only the accepting side says it"};
    session_message message;
    if (auto bad = decode_session(as_bye(header), body, message)) return bad;
    // The connection of a detection has nobody to tell.
    if (std::exchange(told_elsewhere_, true) || !inbox_.is_open()) return {};
    return inbox_.take(as_bye(header), body);
}

}  // namespace sigrun::valkyrie

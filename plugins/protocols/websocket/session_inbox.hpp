// Delivers a link's frames to its sink: one at a time, the final BYE exactly once. Keeps what a busy sink refused. On the
// loop's thread only.
//
// A busy sink holds up LOG frames, and later frames of the same attempts; frames of others pass them.
#pragma once

#include "core.hpp"

#include <sigrun/cpp/wire_frame.hpp>

#include <deque>
#include <string>
#include <unordered_map>

namespace sigrun::websocket {

class session_inbox {
public:
    explicit session_inbox(const core& shared) : shared_(shared) {}

    /// A reply that makes a link is on its way: frames are kept until open(). open, take and retry are false if the sink
    /// finds a frame malformed: the connection should end.
    void expect() noexcept {
        if (state_ == none) state_ = expected;
    }
    /// If the connection ended in the meantime, the sink gets its BYE now.
    [[nodiscard]] bool open(const sigrun_sink& sink);
    bool is_open() const noexcept { return state_ == opened; }
    bool is_wanted() const noexcept { return state_ == expected || state_ == opened; }

    [[nodiscard]] bool take(sdk::wire_frame frame);
    /// Offers what is kept once more.
    [[nodiscard]] bool retry();
    bool holds() const noexcept { return !kept_.empty(); }
    std::size_t bytes() const noexcept { return kept_bytes_; }
    /// Nothing is delivered afterwards, but the BYE to a sink that comes too late; after the host's own close not even that.
    void close(std::string_view reason, bool by_host);

private:
    enum { none, expected, opened, closed } state_ = none;
    void keep(sdk::wire_frame frame);
    void forget_first();
    void say_bye(const sigrun_sink& sink);

    const core& shared_;
    sigrun_sink sink_{};
    std::deque<sdk::wire_frame> kept_;
    std::unordered_map<std::string, std::size_t> kept_attempts_;  // by token
    std::size_t kept_bytes_ = 0;
    std::string reason_;
    bool bye_said_ = false;
    bool closed_by_loss_ = false;
};

}  // namespace sigrun::websocket

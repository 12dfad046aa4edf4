// Delivers a session's frames to its sink: one at a time, the final BYE exactly once. Keeps what a busy sink refused and
// grants log credit only for what it took. On the loop's thread only.
//
// A busy sink holds up LOG frames, and later frames of the same attempts; frames of others pass them.
#pragma once

#include "session/frame_codec.hpp"

#include <sigrun/cpp/host.hpp>

#include <deque>
#include <optional>
#include <string>
#include <unordered_map>

namespace sigrun::grpc {

class inbox {
public:
    explicit inbox(const sdk::host& host) : host_(host) {}

    /// A reply that makes a link is on its way: frames are kept until open().
    void expect() noexcept {
        if (state_ == none) state_ = expected;
    }
    /// If the stream ended in the meantime, the sink gets its BYE now. A text: the peer's frames are malformed.
    std::optional<std::string> open(const sigrun_sink& sink);
    bool is_open() const noexcept { return state_ == opened; }
    bool is_wanted() const noexcept { return state_ == expected || state_ == opened; }

    std::optional<std::string> take(v1::Frame frame);
    /// Offers what is kept once more.
    std::optional<std::string> retry();
    bool holds() const noexcept { return !kept_.empty(); }
    /// So much is kept that nothing more should be read.
    bool overfull() const noexcept { return kept_bytes_ > k_log_window + k_control_room; }
    /// Log credit to grant now, 0 = none.
    std::uint64_t credit_due() noexcept;
    /// A frame that did not come from the peer, e.g. BYE with "reconnect".
    void say(std::uint32_t kind, std::uint32_t flags, std::string_view json);
    /// Nothing is delivered afterwards, but the BYE to a sink that comes too late; after the host's own close not even that.
    void close(std::string_view reason, bool by_host);

private:
    static constexpr std::size_t k_control_room = 4 << 20;
    enum { none, expected, opened, closed } state_ = none;
    struct kept {
        v1::Frame frame;
        std::uint64_t key;
    };
    void keep(v1::Frame frame, std::uint64_t key);
    sigrun_result offer(const v1::Frame& frame);
    void consumed(const v1::Frame& frame) noexcept;

    const sdk::host& host_;
    sigrun_sink sink_{};
    std::deque<kept> kept_;
    std::unordered_map<std::uint64_t, std::size_t> kept_keys_;
    std::size_t kept_bytes_ = 0;
    std::string reason_;
    bool bye_said_ = false;
    bool closed_by_loss_ = false;
    std::uint64_t consumed_ = 0;  // bytes of LOG frames the sink took, not granted again yet
};

}  // namespace sigrun::grpc

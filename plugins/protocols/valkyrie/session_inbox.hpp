// Delivers a link's frames to its sink: one at a time, the final BYE exactly once. Keeps what a busy sink
// refused and grants log credit only for what it took. On the loop's thread only.
//
// A busy sink holds up LOG frames, and later frames of the same attempts; frames of others pass them.
#pragma once

#include "core.hpp"
#include "message.hpp"

#include <deque>
#include <string>
#include <unordered_map>

namespace sigrun::valkyrie {

/// Decodes a session frame or reply and offers it to the sink. A refusal means the bytes are wrong.
refusal offer_frame(const core& shared, const sigrun_sink& sink, const frame_header& header, std::string_view body,
                    sigrun_result& answer);

class session_inbox {
public:
    session_inbox(const core& shared, std::uint64_t window) : shared_(shared), window_(window), granted_(window) {}

    /// A reply that makes a link is on its way: frames are kept until open(). open, take and retry refuse what the
    /// sink finds malformed: the connection should end.
    void expect() noexcept {
        if (state_ == none) state_ = expected;
    }
    /// If the connection ended in the meantime, the sink gets its BYE now.
    refusal open(const sigrun_sink& sink);
    bool is_open() const noexcept { return state_ == opened; }
    bool is_wanted() const noexcept { return state_ == expected || state_ == opened; }

    refusal take(const frame_header& header, std::string_view body);
    /// Offers what is kept once more.
    refusal retry();
    bool holds() const noexcept { return !kept_.empty(); }
    /// So much is kept that nothing more should be read.
    bool overfull() const noexcept { return kept_bytes_ > window_ + k_control_room; }
    /// Log credit to grant now, 0 = none.
    std::uint64_t credit_due() noexcept;
    /// Nothing is delivered afterwards, but the BYE to a sink that comes too late; after the host's own close
    /// not even that.
    void close(std::string_view reason, bool by_host);

private:
    static constexpr std::size_t k_control_room = 4 * 1024 * 1024;
    enum { none, expected, opened, closed } state_ = none;
    struct kept {
        frame_header header;
        std::string body;
        std::uint64_t key;
    };
    void keep(const frame_header& header, std::string_view body, std::uint64_t key);
    void consumed(const frame_header& header, std::size_t bytes) noexcept;
    void say_bye(const sigrun_sink& sink, std::string_view reason);

    const core& shared_;
    sigrun_sink sink_{};
    std::deque<kept> kept_;
    std::unordered_map<std::uint64_t, std::size_t> kept_keys_;
    std::size_t kept_bytes_ = 0;
    std::string reason_;
    bool bye_said_ = false;
    bool closed_by_loss_ = false;
    const std::uint64_t window_;
    std::uint64_t granted_;
    std::uint64_t arrived_ = 0;   // bytes of LOG frames
    std::uint64_t consumed_ = 0;  // of them, taken by the sink and not yet granted again
};

}  // namespace sigrun::valkyrie

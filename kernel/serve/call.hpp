// One inbound method call on its way through the kernel: where the reply goes, and what happens when the caller leaves.
#pragma once

#include "kernel/base/clock.hpp"
#include "kernel/base/result.hpp"
#include "kernel/metrics/traffic.hpp"
#include "kernel/plugin/buffer.hpp"

#include <sigrun/base.h>
#include <sigrun/host.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace sigrun {

/// Where a call came from and when.
struct call_origin {
    std::string_view method{};  // the router's own text
    std::string request_id{};
    protocol_traffic* over = nullptr;
    time_point begun{};
};

/// [any]. The sink sees one frame at a time and nothing after the last one or after the end, whoever answers: a LAST
/// that meets another frame or a full window is kept and offered again, so a method answers once and forgets.
/// What the sink refuses for good (larger than the caller takes) ends the call with a problem.
class inbound_call : public std::enable_shared_from_this<inbound_call> {
public:
    inbound_call(std::uint64_t session, const sigrun_sink& replies, call_origin from = {})
        : session_(session), sink_(replies), from_(std::move(from)) {}

    std::uint64_t session() const noexcept { return session_; }
    const std::string& request_id() const noexcept { return from_.request_id; }
    /// One reply. E_BUSY: the peer is slow; wait for the resume handler. E_CANCELLED: the caller is gone or was
    /// answered. A LAST is never busy: PENDING = kept until there is room.
    sigrun_result reply(std::string_view json, sigrun_buf* payload = nullptr, std::uint32_t flags = 0) noexcept;
    sigrun_result last(std::string_view json, sigrun_buf* payload = nullptr) noexcept {
        return reply(json, payload, SIGRUN_FRAME_LAST);
    }
    /// The problem names the request.
    sigrun_result fail(const problem& p) noexcept;
    /// Nothing more can be said: it was answered, or the caller left.
    bool finished() const noexcept;

    /// Its answer takes as long as what it waits for, which says nothing of the protocol: it is not counted as a latency.
    void answers_late() noexcept;

    /// Set before the method runs: told of the last answer, once, as it is given.
    void on_answer(std::function<void(bool failed, std::string_view json)> fn) { answer_ = std::move(fn); }
    /// Set before the method returns: what to do when there is room again, and when the caller left.
    void on_resume(std::function<void()> fn) { resume_ = std::move(fn); }
    void on_end(std::function<void()> fn) { end_ = std::move(fn); }
    /// What answers this call (it holds the call weakly), kept alive until the last reply was taken or the caller left.
    void keep(std::shared_ptr<void> streamer);

private:
    friend class router;
    struct offer {  // borrowed
        std::string_view json;
        sigrun_buf* payload;
        std::uint32_t flags;
    };
    struct frame {
        std::string json;
        buffer_ref payload;
        std::uint32_t flags;
    };
    void resume();
    void end(sigrun_fn done, void* ctx);
    /// The sink took the last reply, or never will.
    bool settled() const noexcept;
    sigrun_result send(const offer& one) noexcept;
    sigrun_result follow_up(const offer& first, std::unique_ptr<frame> own, sigrun_result result) noexcept;
    bool store(const offer& one) noexcept;                           // under the lock
    void replace(sigrun_result why, const offer& refused) noexcept;  // under the lock
    void clean() noexcept;
    void count_answer(std::uint32_t flags, std::string_view json, bool streamed) const noexcept;

    const std::uint64_t session_;
    const sigrun_sink sink_;
    const call_origin from_;
    std::function<void()> resume_, end_;
    std::function<void(bool, std::string_view)> answer_;

    mutable std::mutex mutex_;  // never held across the sink or a handler
    bool sending_ = false;      // a thread is in the sink; it also does what comes up meanwhile
    bool answered_ = false;     // LAST was given
    bool streamed_ = false;     // another frame was, or it answers late
    bool settled_ = false;
    bool ended_ = false;           // the caller left
    bool resumed_ = false;         // there was room while LAST was being offered
    bool overlapped_ = false;      // a reply was told BUSY only because another one was in the sink
    bool replaced_ = false;        // the answer was refused for good; a problem takes its place
    std::unique_ptr<frame> kept_;  // LAST that was not taken yet
    std::shared_ptr<void> streamer_;
    sigrun_fn end_done_ = nullptr;
    void* end_ctx_ = nullptr;
};
using call_ptr = std::shared_ptr<inbound_call>;

}  // namespace sigrun

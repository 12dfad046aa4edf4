// One inbound method call on its way through the kernel: where the reply goes, and what happens when the caller leaves.
#pragma once

#include "kernel/base/result.hpp"
#include "kernel/plugin/buffer.hpp"

#include <sigrun/base.h>
#include <sigrun/host.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>

namespace sigrun {

/// [any]. Replies of one call must not overlap: a streaming method sends from one place at a time.
class inbound_call : public std::enable_shared_from_this<inbound_call> {
public:
    inbound_call(std::uint64_t session, const sigrun_sink& replies) : session_(session), sink_(replies) {}

    std::uint64_t session() const noexcept { return session_; }
    /// One reply. E_BUSY: the peer is slow; wait for the resume handler. E_CANCELLED: the caller is gone.
    sigrun_result reply(std::string_view json, sigrun_buf* payload = nullptr, std::uint32_t flags = 0) noexcept;
    sigrun_result last(std::string_view json, sigrun_buf* payload = nullptr) noexcept {
        return reply(json, payload, SIGRUN_FRAME_LAST);
    }
    sigrun_result fail(const problem& p) noexcept;
    bool finished() const noexcept { return done_.load(std::memory_order_acquire); }

    /// Set before the method returns: what to do when there is room again, and when the caller left.
    void on_resume(std::function<void()> fn) { resume_ = std::move(fn); }
    void on_end(std::function<void()> fn) { end_ = std::move(fn); }
    /// What answers this call, kept alive as long as the call (it holds the call weakly).
    void keep(std::shared_ptr<void> streamer) { streamer_ = std::move(streamer); }

private:
    friend class router;
    void resume();
    void end(sigrun_fn done, void* ctx);
    void leave();

    static constexpr std::uint32_t k_ended = 1u << 31;
    const std::uint64_t session_;
    const sigrun_sink sink_;
    std::atomic<std::uint32_t> pins_{0};  // replies running, and k_ended
    std::atomic<bool> done_{false};
    std::atomic<bool> cleaned_{false};
    std::function<void()> resume_, end_;
    std::shared_ptr<void> streamer_;
    sigrun_fn end_done_ = nullptr;
    void* end_ctx_ = nullptr;
};
using call_ptr = std::shared_ptr<inbound_call>;

}  // namespace sigrun

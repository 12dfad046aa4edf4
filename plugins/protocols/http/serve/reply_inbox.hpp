// The replies of one call on their way from any host thread to the loop of the connection that asked.
//
// Bounded: above the limit the host gets E_BUSY and, once the connection has written enough, a resume. The
// inbox keeps itself alive while the host may still call it: from begin until the last reply, or until
// svc_call.end is done.
#pragma once

#include "loop.hpp"

#include <sigrun/cpp/host.hpp>
#include <sigrun/host.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace sigrun::http {

struct reply {
    std::uint32_t flags = 0;
    std::string json;
    sdk::buffer payload;
    bool last() const noexcept { return flags & SIGRUN_FRAME_LAST; }
    bool error() const noexcept { return flags & SIGRUN_FRAME_ERROR; }
};

class reply_inbox : public std::enable_shared_from_this<reply_inbox> {
public:
    static constexpr std::size_t k_limit = std::size_t{256} << 10;

    /// `notify` runs on the loop, when replies wait that came after begin returned.
    reply_inbox(const sdk::host& host, const sigrun_svc_call* svc, loop& where, std::function<void()> notify)
        : host_(host), svc_(svc), loop_(where), notify_(std::move(notify)) {}

    /// [loop] Starts the call; results as svc_call.begin. Replies that are there already can be taken at
    /// once.
    sigrun_result begin(std::uint64_t session, const sigrun_call& call, sigrun_error* error);
    /// [loop]
    std::vector<reply> take();
    /// [loop] How much of what was taken is not written yet.
    void set_backlog(std::size_t bytes);
    /// [loop] The caller went away. `done` runs, on any thread, when no reply can come any more.
    void end(std::function<void()> done);

private:
    static sigrun_result on_frame(void* ctx, const sigrun_frame* frame) noexcept;
    sigrun_result put(const sigrun_frame& frame);

    sdk::host host_;
    const sigrun_svc_call* svc_;
    loop& loop_;
    std::function<void()> notify_;

    std::mutex mutex_;
    std::vector<reply> waiting_;
    std::size_t waiting_bytes_ = 0;
    std::atomic<std::size_t> backlog_{0};
    std::uint64_t call_id_ = 0;
    bool inside_begin_ = false;
    bool notified_ = false;
    bool refused_ = false;  // the host waits for resume
    bool over_ = false;     // the last reply came, or the call never started
    bool ended_ = false;
    std::function<void()> on_end_;
    std::shared_ptr<reply_inbox> self_;
};

}  // namespace sigrun::http

// One call to the host on behalf of a stream. Keeps itself alive while the host may still use it: from begin until the last
// reply, or until the host has confirmed end().
#pragma once

#include "settings.hpp"

#include <functional>
#include <memory>
#include <mutex>
#include <string>

namespace sigrun::grpc {

class host_call : public std::enable_shared_from_this<host_call> {
public:
    /// [any], not overlapping. What it answers goes to the host.
    using reply_fn = std::function<sigrun_result(const sigrun_frame&)>;

    explicit host_call(core_ptr shared) : shared_(std::move(shared)) { ++shared_->open_calls; }
    ~host_call() { --shared_->open_calls; }
    host_call(const host_call&) = delete;
    host_call& operator=(const host_call&) = delete;

    /// [loop] An error: no reply was or will be given, `problem` is the host's text.
    sigrun_result begin(std::uint64_t session, const sigrun_call& call, reply_fn reply, std::string& problem);
    /// [loop] A reply was answered with E_BUSY before; there is room again.
    void resume();
    /// [loop] The caller went away.
    void end();

private:
    static sigrun_result on_frame(void* ctx, const sigrun_frame* frame) noexcept;

    const core_ptr shared_;
    reply_fn reply_;
    std::mutex mutex_;
    std::shared_ptr<host_call> self_;
    std::uint64_t id_ = 0;
    bool inside_begin_ = false;
    bool over_ = false;
    bool ended_ = false;
};

}  // namespace sigrun::grpc

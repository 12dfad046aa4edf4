#include "serve/host_call.hpp"

namespace sigrun::grpc {

sigrun_result host_call::begin(std::uint64_t session, const sigrun_call& call, reply_fn reply, std::string& problem) {
    reply_ = std::move(reply);
    self_ = shared_from_this();
    inside_begin_ = true;
    const sigrun_sink sink{sizeof sink, 0, this, &on_frame};
    std::uint64_t id = 0;
    std::string room(8192, '\0');
    sigrun_error error{sizeof error, 0, 0, static_cast<std::uint32_t>(room.size()), 0, 0, room.data()};
    const auto result = shared_->calls->begin(shared_->host.abi(), session, &call, &sink, &id, &error);
    if (result < 0) problem.assign(room.data(), error.msg_len);
    std::shared_ptr<host_call> release;
    std::lock_guard lock(mutex_);
    inside_begin_ = false;
    id_ = id;
    if (result != SIGRUN_PENDING) over_ = true;
    if (over_) release = std::move(self_);
    return result;
}

sigrun_result host_call::on_frame(void* ctx, const sigrun_frame* frame) noexcept {
    auto& call = *static_cast<host_call*>(ctx);
    std::shared_ptr<host_call> keep;  // the stream may let go of it while the reply is given
    {
        std::lock_guard lock(call.mutex_);
        if (call.ended_) return SIGRUN_E_CANCELLED;
        keep = call.self_;
    }
    if (frame->kind != SIGRUN_REPLY) return SIGRUN_E_INVALID;
    const bool last = (frame->flags & SIGRUN_FRAME_LAST) != 0;
    const auto result = sdk::guarded(nullptr, [&] { return call.reply_(*frame); });
    if (!last || result == SIGRUN_E_BUSY || result == SIGRUN_E_INVALID) return result;
    std::lock_guard lock(call.mutex_);
    call.over_ = true;
    if (!call.inside_begin_) call.self_.reset();
    return result;
}

void host_call::resume() {
    std::uint64_t id = 0;
    {
        std::lock_guard lock(mutex_);
        if (over_ || ended_) return;
        id = id_;
    }
    if (id) shared_->calls->resume(shared_->host.abi(), id);
}

void host_call::end() {
    std::uint64_t id = 0;
    {
        std::lock_guard lock(mutex_);
        if (over_ || std::exchange(ended_, true)) return;
        id = id_;
    }
    if (!id) return;
    shared_->calls->end(
        shared_->host.abi(), id,
        [](void* ctx) noexcept {
            auto& call = *static_cast<host_call*>(ctx);
            std::shared_ptr<host_call> release;
            std::lock_guard lock(call.mutex_);
            release = std::move(call.self_);
        },
        this);
}

}  // namespace sigrun::grpc

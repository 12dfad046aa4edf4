#include "serve/reply_inbox.hpp"

#include <utility>

namespace sigrun::http {

sigrun_result reply_inbox::begin(std::uint64_t session, const sigrun_call& call, sigrun_error* error) {
    const sigrun_sink sink{sizeof sink, 0, this, &reply_inbox::on_frame};
    self_ = shared_from_this();
    inside_begin_ = true;
    std::uint64_t id = 0;
    const auto result = svc_->begin(host_.abi(), session, &call, &sink, &id, error);
    std::shared_ptr<reply_inbox> release;
    std::lock_guard lock(mutex_);
    inside_begin_ = false;
    call_id_ = id;
    if (result != SIGRUN_PENDING) over_ = true;
    if (over_) release = std::move(self_);
    return result;
}

sigrun_result reply_inbox::on_frame(void* ctx, const sigrun_frame* frame) noexcept {
    return sdk::guarded(nullptr, [&] { return static_cast<reply_inbox*>(ctx)->put(*frame); });
}

sigrun_result reply_inbox::put(const sigrun_frame& frame) {
    reply item{frame.flags, std::string(sdk::view(frame.json)), sdk::buffer::share(host_, frame.payload)};
    const auto bytes = item.json.size() + item.payload.content().size();
    std::shared_ptr<reply_inbox> keep;  // after LAST the loop may let go while this function still runs
    {
        std::lock_guard lock(mutex_);
        keep = self_;
        if (ended_) return SIGRUN_E_CANCELLED;
        if (waiting_bytes_ + backlog_.load() > k_limit) {
            refused_ = true;
            return SIGRUN_E_BUSY;
        }
        waiting_bytes_ += bytes;
        if (item.last()) over_ = true;
        waiting_.push_back(std::move(item));
        if (over_ && !inside_begin_) self_.reset();
        if (inside_begin_ || notified_) return SIGRUN_OK;
        notified_ = true;
    }
    loop_.post([keep] { keep->notify_(); });
    return SIGRUN_OK;
}

std::vector<reply> reply_inbox::take() {
    std::lock_guard lock(mutex_);
    notified_ = false;
    waiting_bytes_ = 0;
    return std::exchange(waiting_, {});
}

void reply_inbox::set_backlog(std::size_t bytes) {
    backlog_.store(bytes);
    std::uint64_t id = 0;
    {
        std::lock_guard lock(mutex_);
        if (!refused_ || over_ || ended_ || !call_id_ || waiting_bytes_ + bytes > k_limit / 2) return;
        refused_ = false;
        id = call_id_;
    }
    svc_->resume(host_.abi(), id);
}

void reply_inbox::end(std::function<void()> done) {
    bool over = false;
    {
        std::lock_guard lock(mutex_);
        ended_ = true;
        waiting_.clear();
        over = over_;
        if (!over) on_end_ = done;
    }
    if (over) return done();
    svc_->end(
        host_.abi(), call_id_,
        [](void* ctx) {
            auto* inbox = static_cast<reply_inbox*>(ctx);
            std::function<void()> finished;
            std::shared_ptr<reply_inbox> keep;
            {
                std::lock_guard lock(inbox->mutex_);
                keep = std::move(inbox->self_);
                finished = std::move(inbox->on_end_);
            }
            finished();
        },
        this);
}

}  // namespace sigrun::http

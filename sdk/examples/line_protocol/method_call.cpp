#include "method_call.hpp"

namespace line {

using namespace sigrun::sdk;
constexpr std::size_t k_window = 256 * 1024;

sigrun_result method_call::on_frame(void* self, const sigrun_frame* frame) noexcept {
    // Alive: the loop lets go only after it saw the last reply, which comes from here.
    auto& me = *static_cast<method_call*>(self);
    return guarded(nullptr, [&]() -> sigrun_result {
        auto keep = me.shared_from_this();
        reply r{std::string(view(frame->json)), std::string(me.host_.content(frame->payload)),
                (frame->flags & SIGRUN_FRAME_LAST) != 0, (frame->flags & SIGRUN_FRAME_ERROR) != 0};
        {
            std::lock_guard lock(me.mutex_);
            const std::size_t size = r.json.size() + r.payload.size();
            if (me.queued_ && me.queued_ + size > k_window) {
                me.stalled_ = true;
                return SIGRUN_E_BUSY;
            }
            me.queued_ += size;
        }
        me.loop_.post([keep, r = std::move(r)] { keep->deliver(r); });
        return SIGRUN_OK;
    });
}

void method_call::begin(std::uint64_t session, std::string_view method, std::string_view params,
                        std::string_view document, std::function<void(const reply&)> on_reply) {
    on_reply_ = std::move(on_reply);
    self_ = shared_from_this();
    ++live_;
    sigrun_call call{};
    call.struct_size = sizeof call;
    call.method = str(method);
    call.params = str(params);
    call.json = str(document);
    const sigrun_sink sink{sizeof sink, 0, this, &method_call::on_frame};
    error_text error;
    const auto* service = host_.service<sigrun_svc_call>(SIGRUN_SVC_CALL);
    const auto r =
        service ? service->begin(host_.abi(), session, &call, &sink, &id_, &error.abi) : SIGRUN_E_UNSUPPORTED;
    if (r >= 0) return;  // also when everything was answered already: the replies are waiting as tasks
    reply refusal{std::string(error.text()), {}, true, true};
    queued_ += refusal.json.size();
    loop_.post([keep = self_, refusal = std::move(refusal)] { keep->deliver(refusal); });
}

void method_call::deliver(const reply& r) {
    over_ = over_ || r.last;
    delivered_ += r.json.size() + r.payload.size();
    if (!abandoned_) {
        const auto handler = on_reply_;  // it may end in abandon, which lets go of ours
        handler(r);
    }
    if (abandoned_) {
        credit();
    } else if (over_ && self_) {
        --live_;
        on_reply_ = nullptr;
        self_.reset();  // the task that runs this holds it a moment longer
    }
}

void method_call::credit() {
    bool stalled = false;
    {
        std::lock_guard lock(mutex_);
        queued_ -= std::exchange(delivered_, 0);
        stalled = std::exchange(stalled_, false);
    }
    if (stalled && !over_ && id_)
        if (const auto* service = host_.service<sigrun_svc_call>(SIGRUN_SVC_CALL)) service->resume(host_.abi(), id_);
}

void method_call::abandon() {
    if (abandoned_ || !self_) return;
    abandoned_ = true;
    on_reply_ = nullptr;
    auto let_go = [](void* self) noexcept {
        auto& me = *static_cast<method_call*>(self);
        me.loop_.post([&me] {
            --me.live_;
            auto keep = std::move(me.self_);
        });
    };
    const auto* service = host_.service<sigrun_svc_call>(SIGRUN_SVC_CALL);
    if (service && id_)
        service->end(host_.abi(), id_, let_go, this);
    else
        let_go(this);
}

}  // namespace line

#include "kernel/serve/call.hpp"

#include <sigrun/cpp/text.hpp>

namespace sigrun {

sigrun_result inbound_call::reply(std::string_view json, sigrun_buf* payload, std::uint32_t flags) noexcept {
    if (pins_.fetch_add(1, std::memory_order_acq_rel) & k_ended) {
        leave();
        return SIGRUN_E_CANCELLED;
    }
    sigrun_frame frame{};
    frame.struct_size = sizeof frame;
    frame.kind = SIGRUN_REPLY;
    frame.flags = flags;
    frame.json = sdk::str(json);
    frame.payload = payload;
    sigrun_result r = sink_.on_frame(sink_.ctx, &frame);
    if ((flags & SIGRUN_FRAME_LAST) && r != SIGRUN_E_BUSY) done_.store(true, std::memory_order_release);
    leave();
    return r;
}

sigrun_result inbound_call::fail(const problem& p) noexcept {
    return reply(p.to_json(), nullptr, SIGRUN_FRAME_LAST | SIGRUN_FRAME_ERROR);
}

void inbound_call::resume() {
    if (resume_ && !(pins_.load(std::memory_order_acquire) & k_ended)) resume_();
}

void inbound_call::end(sigrun_fn done, void* ctx) {
    end_done_ = done;
    end_ctx_ = ctx;
    std::uint32_t before = pins_.fetch_or(k_ended, std::memory_order_acq_rel);
    if (before & k_ended) return;
    if (before == 0) {
        // Nothing runs: clean up here.
        pins_.fetch_add(1, std::memory_order_acq_rel);
        leave();
    }
}

// The last reply to leave after the end does the cleaning.
void inbound_call::leave() {
    if (pins_.fetch_sub(1, std::memory_order_acq_rel) != (k_ended | 1u)) return;
    if (cleaned_.exchange(true)) return;
    if (end_) end_();
    if (end_done_) end_done_(end_ctx_);
}

}  // namespace sigrun

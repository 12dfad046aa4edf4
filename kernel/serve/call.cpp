#include "kernel/serve/call.hpp"

#include "kernel/log/loggers.hpp"
#include "kernel/serve/call_context.hpp"

#include <sigrun/cpp/request_context.hpp>
#include <sigrun/cpp/text.hpp>

#include <utility>

namespace sigrun {
namespace {

// No caller may take less than this (Valkyrie's smallest max_message), so a smaller answer is refused for its content.
constexpr std::size_t k_never_too_large = 120 * 1024;

}  // namespace

sigrun_result inbound_call::reply(std::string_view json, sigrun_buf* payload, std::uint32_t flags) noexcept {
    const bool is_last = (flags & SIGRUN_FRAME_LAST) != 0;
    bool streamed = false;
    {
        std::lock_guard lock(mutex_);
        if (answered_ || ended_ || settled_) return SIGRUN_E_CANCELLED;
        streamed = streamed_;
        streamed_ = true;
        if (sending_ && !is_last) {
            overlapped_ = true;
            return SIGRUN_E_BUSY;
        }
        if (sending_) {
            if (!store({json, payload, flags})) return SIGRUN_E_NOMEM;
            answered_ = true;
            count_answer(flags, json, true);
            return SIGRUN_PENDING;  // whoever is in the sink offers it next
        }
        answered_ = is_last;
        sending_ = true;
        resumed_ = false;
    }
    const offer one{json, payload, flags};
    const auto result = send(one);
    if (is_last) count_answer(flags, json, streamed);
    return follow_up(one, nullptr, result);
}

void inbound_call::count_answer(std::uint32_t flags, std::string_view json, bool streamed) const noexcept {
    if (answer_) answer_((flags & SIGRUN_FRAME_ERROR) != 0, json);
    if (!from_.over) return;
    if (flags & SIGRUN_FRAME_ERROR) from_.over->calls_failed.fetch_add(1, std::memory_order_relaxed);
    if (!streamed) from_.over->answers.record((clock::system().now() - from_.begun).count());
}

std::string inbound_call::name() {
    std::lock_guard lock(mutex_);
    if (from_.request_id.empty()) from_.request_id = new_request_id();
    return from_.request_id;
}

sigrun_result inbound_call::fail(const problem& p) noexcept {
    const auto id = name();
    // Without what was found: a caller may have put a secret where none belongs.
    SIGRUN_LOG(logs::serve, debug, "request ", id, ": ", from_.method, " answers ", to_string(p.code), ": ", p.field,
               p.field.empty() ? "" : ": ", p.message);
    return reply(sdk::problem_with_request_id(p.to_json(), id), nullptr, SIGRUN_FRAME_LAST | SIGRUN_FRAME_ERROR);
}

void inbound_call::answers_late() noexcept {
    std::lock_guard lock(mutex_);
    streamed_ = true;
}

bool inbound_call::finished() const noexcept {
    std::lock_guard lock(mutex_);
    return answered_ || ended_ || settled_;
}

bool inbound_call::settled() const noexcept {
    std::lock_guard lock(mutex_);
    return settled_;
}

void inbound_call::keep(std::shared_ptr<void> streamer) {
    std::lock_guard lock(mutex_);
    if (!ended_ && !settled_) streamer_ = std::move(streamer);
}

sigrun_result inbound_call::send(const offer& one) noexcept {
    sigrun_frame f{};
    f.struct_size = sizeof f;
    f.kind = SIGRUN_REPLY;
    f.flags = one.flags;
    f.json = sdk::str(one.json);
    f.payload = one.payload;
    const auto bytes = one.json.size() + (one.payload ? one.payload->length : 0);
    const auto result = sink_.on_frame(sink_.ctx, &f);
    if (from_.over && result >= 0) from_.over->out.add(bytes);
    return result;
}

bool inbound_call::store(const offer& one) noexcept {
    try {
        kept_.reset(new frame{std::string(one.json), buffer_ref::share(one.payload), one.flags});
    } catch (const std::bad_alloc&) {
        return false;
    }
    return true;
}

/// The answer that says that the real one cannot be sent.
void inbound_call::replace(sigrun_result why, const offer& refused) noexcept {
    const auto bytes = refused.json.size() + (refused.payload ? refused.payload->length : 0);
    replaced_ = answered_ = true;
    try {
        const auto p = why == SIGRUN_E_INVALID && bytes > k_never_too_large
                           ? make_problem(errc::too_large, "the answer is larger than the caller takes in one message")
                           : make_problem(errc::internal, "the answer could not be sent");
        kept_.reset(new frame{p.to_json(), {}, SIGRUN_FRAME_LAST | SIGRUN_FRAME_ERROR});
    } catch (const std::bad_alloc&) {
        settled_ = true;
    }
}

/// After a frame was offered, on the thread that did it: keeps what was refused, offers what came up meanwhile, and
/// leaves the sink to the next one. Returns what the caller of reply() is told about its frame.
sigrun_result inbound_call::follow_up(const offer& first, std::unique_ptr<frame> own, sigrun_result result) noexcept {
    offer one = first;  // points into `own` if it is a kept frame
    const sigrun_result told = result == SIGRUN_E_BUSY && (first.flags & SIGRUN_FRAME_LAST) ? SIGRUN_PENDING : result;
    std::shared_ptr<void> streamer;  // let go outside the lock: it may end here
    bool gone = false, poke = false;
    for (;;) {
        std::unique_lock lock(mutex_);
        const bool is_last = (one.flags & SIGRUN_FRAME_LAST) != 0;
        bool blocked = false;
        if (result >= 0) {
            settled_ = is_last;
        } else if (result == SIGRUN_E_BUSY) {
            if (is_last) {
                if (own)
                    kept_ = std::move(own);
                else if (!ended_ && !store(one))
                    settled_ = true;
                blocked = !resumed_;
            }
        } else if (result == SIGRUN_E_CANCELLED || replaced_ || ended_) {
            settled_ = true;
        } else {
            replace(result, one);
        }
        own.reset();
        if (ended_ || settled_) kept_.reset();
        if (kept_ && !blocked) {
            own = std::move(kept_);
            resumed_ = false;
            lock.unlock();
            one = {own->json, own->payload.get(), own->flags};
            result = send(one);
            continue;
        }
        sending_ = false;
        gone = ended_;
        poke = std::exchange(overlapped_, false) && !answered_ && !ended_;
        if (ended_ || settled_) streamer = std::move(streamer_);
        break;
    }
    if (gone) clean();
    if (poke && resume_) resume_();
    return told;
}

void inbound_call::resume() {
    std::unique_ptr<frame> own;
    {
        std::lock_guard lock(mutex_);
        if (ended_ || settled_) return;
        if (answered_) {
            resumed_ = true;
            if (sending_ || !kept_) return;  // whoever is in the sink sees that there is room
            own = std::move(kept_);
            sending_ = true;
            resumed_ = false;
        }
    }
    if (own) {
        const offer one{own->json, own->payload.get(), own->flags};
        const auto result = send(one);
        follow_up(one, std::move(own), result);
    } else if (resume_) {
        resume_();
    }
}

void inbound_call::end(sigrun_fn done, void* ctx) {
    std::shared_ptr<void> streamer;
    {
        std::lock_guard lock(mutex_);
        if (ended_) return;
        ended_ = true;
        end_done_ = done;
        end_ctx_ = ctx;
        if (sending_) return;  // whoever is in the sink cleans up
        kept_.reset();
        streamer = std::move(streamer_);
    }
    clean();
}

void inbound_call::clean() noexcept {
    if (end_) end_();
    if (end_done_) end_done_(end_ctx_);
}

}  // namespace sigrun

// What the host sends through a connection: session frames, calls, pings.
#include "connection.hpp"

namespace sigrun::websocket {
namespace {

constexpr std::size_t k_large = 16 * 1024;
constexpr std::size_t k_max_calls = 1024;
constexpr std::size_t k_max_pings = 64;
constexpr std::size_t k_bulk_share = 32;  // of max_output

}  // namespace

/// Under the mutex.
bool connection::is_full(bool bulk) const noexcept {
    const auto limit = shared_->options.now().max_output;
    return outbox_.bytes() >= (bulk ? limit / k_bulk_share : limit);
}

/// Refused callers may come again.
bool connection::is_roomy() const noexcept {
    return outbox_.bytes() < shared_->options.now().max_output / k_bulk_share / 2;
}

bool connection::fits_peer(const packed& m) const noexcept {
    return !from_.peer_message || m.bytes.size() <= from_.peer_message;
}

sigrun_result connection::send_frame(const sigrun_frame& frame) {
    if (frame.kind == SIGRUN_REPLY) return SIGRUN_E_INVALID;
    const auto payload = shared_->host.content(frame.payload);
    const bool log = frame.kind == SIGRUN_LOG;
    if (log && payload.size() > SIGRUN_LOG_MAX) return SIGRUN_E_INVALID;
    const bool bulk = log || payload.size() + frame.json.len > k_large;
    {
        std::lock_guard lock(mutex_);
        if (!usable_) return SIGRUN_E_IO;
        if (is_full(bulk)) return SIGRUN_E_BUSY;
    }
    auto m = pack_frame(frame, payload);
    if (!m || !fits_peer(*m)) return SIGRUN_E_INVALID;
    {
        std::lock_guard lock(mutex_);
        if (!usable_) return SIGRUN_E_IO;
        outbox_.add(std::move(*m));
    }
    if (frame.kind == SIGRUN_ACK) retry_wanted_.store(true, std::memory_order_relaxed);
    wake();
    return SIGRUN_OK;
}

sigrun_result connection::call(const sigrun_call& call, const sigrun_sink& replies, sigrun_op op) {
    if (from_.side == role::accepted) return SIGRUN_E_UNSUPPORTED;
    std::uint64_t left_ms = 0;
    if (call.deadline_ns) {
        const auto now = now_ns();
        if (call.deadline_ns <= now) return SIGRUN_E_TIMEOUT;
        left_ms = std::max<std::uint64_t>((call.deadline_ns - now) / 1'000'000, 1);
    }
    const auto payload = shared_->host.content(call.payload);
    std::uint64_t number = 0;
    {
        std::lock_guard lock(mutex_);
        if (!usable_) return SIGRUN_E_IO;
        if (outbound_.size() >= k_max_calls || is_full(payload.size() + call.json.len > k_large)) return SIGRUN_E_BUSY;
        number = ++next_number_;
    }
    auto m = pack_call(call, payload, number, left_ms);
    if (!m || !fits_peer(*m)) return SIGRUN_E_INVALID;
    auto made = std::make_unique<outbound_call>();
    made->number = number;
    made->sink = replies;
    made->deadline_ns = call.deadline_ns;
    {
        std::lock_guard lock(mutex_);
        if (!usable_) return SIGRUN_E_IO;
        made->op = sdk::op(shared_->host, op);
        outbound_.emplace(number, std::move(made));
        outbox_.add(std::move(*m));
    }
    wake();
    return SIGRUN_PENDING;
}

void connection::finish_call(outbound_call& call, sigrun_result result, const std::string& why) {
    std::unique_ptr<outbound_call> ended;
    {
        std::lock_guard lock(mutex_);
        const auto found = outbound_.find(call.number);
        if (found == outbound_.end()) return;
        ended = std::move(found->second);
        outbound_.erase(found);
    }
    if (!ended->op) return;
    result == SIGRUN_OK ? ended->op.ok() : ended->op.fail(result, why);
}

/// Calls whose deadline has passed. Their numbers are free again when the peer's LAST comes.
void connection::expire_calls() {
    const auto now = now_ns();
    std::vector<sdk::op> late;
    std::vector<std::uint64_t> over;
    {
        std::lock_guard lock(mutex_);
        for (auto& [number, call] : outbound_) {
            if (!call->deadline_ns || call->abandoned || call->deadline_ns > now) continue;
            call->abandoned = true;
            for (const auto& f : call->waiting) kept_replies_ -= f.kept_size();
            const bool answered = !call->waiting.empty() && (call->waiting.back().flags & SIGRUN_FRAME_LAST);
            call->waiting.clear();
            late.push_back(std::move(call->op));
            if (answered)
                over.push_back(number);
            else
                outbox_.add(pack_end(number));
        }
        for (auto number : over) outbound_.erase(number);
    }
    if (late.empty()) return;
    for (auto& op : late) op.fail(SIGRUN_E_TIMEOUT, "the call was not answered before its deadline");
    flush();
}

sigrun_result connection::ping(ping_fn done) {
    {
        std::lock_guard lock(mutex_);
        if (!usable_) return SIGRUN_E_IO;
        if (pings_.size() >= k_max_pings) return SIGRUN_E_BUSY;
        pings_.push_back({++next_ping_, now_ns(), std::move(done)});
        new_pings_.push_back(next_ping_);
    }
    wake();
    return SIGRUN_PENDING;
}

}  // namespace sigrun::websocket

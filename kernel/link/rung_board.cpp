#include "kernel/link/rung_board.hpp"

#include <algorithm>

namespace sigrun {
namespace {

constexpr std::chrono::minutes k_forget_losses{5};
constexpr std::uint32_t k_most_doublings = 5;

}  // namespace

rung_board::~rung_board() {
    for (auto& r : records_) delete r.load();
}

rung_record& rung_board::at(std::uint8_t protocol) {
    auto& slot = records_[std::min<std::size_t>(protocol, k_max_protocols - 1)];
    if (auto* known = slot.load(std::memory_order_acquire)) return *known;
    auto made = std::make_unique<rung_record>();
    slot.store(made.get(), std::memory_order_release);
    return *made.release();
}

bool rung_board::held(std::uint8_t protocol, const rung_rules& rules, time_point now) const {
    const auto* r = find(protocol);
    if (!r || !r->losses || now - r->lost_at > k_forget_losses) return false;
    // Each further loss doubles the time: a rung that flaps is left alone.
    return now - r->up_since < rules.dwell * (1 << std::min(r->losses - 1, k_most_doublings));
}

void rung_board::connected(std::uint8_t protocol, time_point now) {
    auto& r = at(protocol);
    r.up_since = now;
    r.gone_since = {};
    r.gate.connected();
    r.window_best = nanoseconds(0);
    r.bad_windows = 0;
}

void rung_board::lost(std::uint8_t protocol, const std::string& why, bool others_stand, time_point now) {
    auto& r = at(protocol);
    r.last_failure = why;
    r.evidence.failed();
    r.gate.failed(now);
    r.gone_since = now;
    if (!others_stand) return forgive();
    r.losses = now - r.lost_at > k_forget_losses ? 1 : r.losses + 1;
    r.lost_at = now;
}

void rung_board::forgive() {
    for (auto& each : records_)
        if (auto* r = each.load(std::memory_order_relaxed)) r->losses = 0;
}

void rung_board::end_window(double threshold) {
    auto* from = find(last_switch.from);
    auto* to = find(rung);
    if (from && to && from != to && moves == follow::when_degraded) {
        const auto worse = static_cast<double>(from->window_best.count());
        const auto better = static_cast<double>(to->window_best.count());
        if (worse > 0 && better > 0) from->bad_windows = worse > (1 + threshold) * better ? from->bad_windows + 1 : 0;
    }
    for (std::uint8_t i = 0; i < k_max_protocols; ++i)
        if (auto* r = find(i)) r->window_best = nanoseconds(0);
}

bool rung_board::work_is_to_follow() const {
    if (moves != follow::when_degraded) return moves == follow::after_dwell;
    const auto* from = find(last_switch.from);
    return from && from->bad_windows >= k_bad_windows;
}

}  // namespace sigrun

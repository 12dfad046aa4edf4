#include "kernel/runner/event_log.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>
#include <array>

namespace sigrun {
namespace {
constexpr std::array<std::string_view, 30> k_event_names{
    "RunnerRegistered",  "RunnerDeregistered", "RunnerStatusChanged", "CapabilitiesUpdated", "ProtocolMigrated",
    "ProtocolDegraded",  "ProtocolRestored",   "RunnerEjected",       "RunnerOnTrial",       "RunnerQuarantined",
    "RunnerReleased",    "BalancerSuspended",  "BalancerRestored",    "JobSubmitted",        "JobStateChanged",
    "JobDead",           "PluginLoaded",       "PluginRejected",      "PluginReplaced",      "PluginProbation",
    "PluginSwappedBack", "PluginRetired",      "PluginGone",          "PluginRemoved",       "PluginQuarantined",
    "PluginAdmitted",    "ConfigReloaded",     "ConfigRefused",       "BalancerSwitched",    "Gap"};
}

std::string_view to_string(event_type t) noexcept { return k_event_names[static_cast<std::size_t>(t)]; }

std::string to_json(const event& e) {
    std::string out = sdk::concat("{\"seq\":", e.seq, ",\"time\":\"", to_rfc3339(e.wall_ns), "\",\"type\":\"",
                                  to_string(e.type), "\"");
    if (e.runner) out += ",\"runner\":\"" + e.runner.text() + "\"";
    if (e.job) out += ",\"job\":\"" + e.job.text() + "\"";
    if (!e.detail.empty()) out += "," + e.detail;
    return out + "}";
}

event_log::event_log(const clock& clk, std::size_t capacity) : clock_(clk), capacity_(capacity) {
    ring_.resize(capacity_);
}

void event_log::publish(event_type type, id runner, id job, std::string detail) {
    std::vector<std::function<void()>> wake;
    {
        std::lock_guard lock(mutex_);
        event& slot = ring_[next_seq_ % capacity_];
        slot.seq = next_seq_++;
        slot.wall_ns = clock_.wall_ns();
        slot.type = type;
        slot.runner = runner;
        slot.job = job;
        slot.detail = std::move(detail);
        for (watcher* w : list_)
            if (w->asleep_) {
                w->asleep_ = false;
                wake.push_back(w->notify_);
            }
    }
    for (auto& notify : wake) notify();
}

void event_log::begin_life(std::uint64_t epoch) {
    std::lock_guard lock(mutex_);
    std::vector<event> kept;
    for (auto n = oldest(); n < next_seq_; ++n) kept.push_back(std::move(ring_[n % capacity_]));
    const auto count = next_seq_ - first_seq_;
    first_seq_ = (std::min<std::uint64_t>(epoch, (1u << 21) - 1) << 32) + 1;
    next_seq_ = first_seq_ + count - kept.size();
    for (auto& e : kept) {
        e.seq = next_seq_++;
        ring_[e.seq % capacity_] = std::move(e);
    }
}

std::uint64_t event_log::oldest() const noexcept {
    return next_seq_ - first_seq_ > capacity_ ? next_seq_ - capacity_ : first_seq_;
}

std::uint64_t event_log::last_seq() const {
    std::lock_guard lock(mutex_);
    return next_seq_ - 1;
}

std::unique_ptr<event_log::watcher> event_log::watch(std::uint64_t after, bool only_new, std::function<void()> notify) {
    std::lock_guard lock(mutex_);
    // A number from the future belongs to another store: begin with what is kept.
    std::uint64_t from = only_new ? next_seq_ : after + 1;
    if (!only_new && (after == 0 || after >= next_seq_)) from = oldest();
    std::unique_ptr<watcher> w(new watcher(*this, from, std::move(notify)));
    list_.push_back(w.get());
    watchers_.store(list_.size(), std::memory_order_relaxed);
    return w;
}

event_log::watcher::watcher(event_log& log, std::uint64_t next, std::function<void()> notify)
    : log_(log), next_(next), notify_(std::move(notify)) {}

event_log::watcher::~watcher() {
    std::lock_guard lock(log_.mutex_);
    log_.list_.erase(std::find(log_.list_.begin(), log_.list_.end(), this));
    log_.watchers_.store(log_.list_.size(), std::memory_order_relaxed);
}

std::vector<event> event_log::watcher::pull(std::size_t max) {
    std::lock_guard lock(log_.mutex_);
    std::vector<event> out;
    const std::uint64_t oldest = log_.oldest();
    if (next_ < oldest) {
        event gap;
        gap.seq = oldest - 1;
        gap.wall_ns = log_.clock_.wall_ns();
        gap.detail = sdk::concat("\"from\":", next_, ",\"to\":", oldest - 1);
        out.push_back(std::move(gap));
        next_ = oldest;
    }
    while (next_ < log_.next_seq_ && out.size() < max) out.push_back(log_.ring_[next_++ % log_.capacity_]);
    if (out.empty()) asleep_ = true;
    return out;
}

}  // namespace sigrun

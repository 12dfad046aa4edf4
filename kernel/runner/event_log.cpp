#include "kernel/runner/event_log.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>
#include <array>

namespace sigrun {
namespace {
constexpr std::array<std::string_view, 32> k_event_names{
    "RunnerRegistered",  "RunnerDeregistered", "RunnerStatusChanged", "CapabilitiesUpdated",
    "ProtocolMigrated",  "ProtocolDegraded",   "ProtocolRestored",    "RunnerEjected",
    "RunnerOnTrial",     "RunnerQuarantined",  "RunnerReleased",      "BalancerSuspended",
    "BalancerRestored",  "JobSubmitted",       "JobStateChanged",     "JobDead",
    "PluginLoaded",      "PluginRejected",     "PluginReplaced",      "PluginProbation",
    "PluginSwappedBack", "PluginRetired",      "PluginGone",          "PluginRemoved",
    "PluginQuarantined", "PluginAdmitted",     "ConfigReloaded",      "ConfigRefused",
    "BalancerSwitched",  "ScalingHookFailed",  "ScalingHookRestored", "Gap"};
}

std::string_view to_string(event_type t) noexcept { return k_event_names[static_cast<std::size_t>(t)]; }

event_types event_types_of(const std::vector<std::string>& prefixes) {
    if (prefixes.empty()) return k_all_events;
    event_types out = 0;
    for (std::size_t t = 0; t < k_event_names.size(); ++t)
        for (const auto& p : prefixes)
            if (k_event_names[t].starts_with(p)) out |= only(static_cast<event_type>(t));
    return out;
}

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
        for (watcher* w : list_) {
            if (!w->asleep_) continue;
            if (w->wanted_ & only(type)) {
                w->asleep_ = false;
                wake.push_back(w->notify_);
            } else {
                w->next_ = next_seq_;  // it misses nothing, however long it sleeps
            }
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

std::unique_ptr<event_log::watcher> event_log::watch(std::uint64_t after, bool only_new, std::function<void()> notify,
                                                     event_types wanted) {
    std::lock_guard lock(mutex_);
    // A number from the future belongs to another store: begin with what is kept.
    std::uint64_t from = only_new ? next_seq_ : after + 1;
    if (!only_new && (after == 0 || after >= next_seq_)) from = oldest();
    std::unique_ptr<watcher> w(new watcher(*this, from, wanted, std::move(notify)));
    list_.push_back(w.get());
    note_watchers();
    return w;
}

void event_log::note_watchers() noexcept {
    event_types all = 0;
    for (const watcher* w : list_) all |= w->wanted_;
    wanted_.store(all, std::memory_order_relaxed);
}

event_log::watcher::watcher(event_log& log, std::uint64_t next, event_types wanted, std::function<void()> notify)
    : log_(log), wanted_(wanted), next_(next), notify_(std::move(notify)) {}

event_log::watcher::~watcher() {
    std::lock_guard lock(log_.mutex_);
    log_.list_.erase(std::find(log_.list_.begin(), log_.list_.end(), this));
    log_.note_watchers();
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
    for (; next_ < log_.next_seq_ && out.size() < max; ++next_)
        if (const event& e = log_.ring_[next_ % log_.capacity_]; wanted_ & only(e.type)) out.push_back(e);
    if (out.empty()) asleep_ = true;
    return out;
}

}  // namespace sigrun

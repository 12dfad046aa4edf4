// Numbered events, kept in a bounded ring, read by any number of watchers at their own pace. A watcher that fell behind
// gets a Gap event with the numbers it missed: never silent loss.
//
// publish is [any] and cheap: a fixed-size record under a short lock, no JSON. A watcher pulls; its notify function is
// called (once per sleep) when there is something to pull.
#pragma once

#include "kernel/base/clock.hpp"
#include "kernel/base/id.hpp"

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

enum class event_type : std::uint8_t {
    runner_registered,
    runner_deregistered,
    runner_status_changed,
    capabilities_updated,
    protocol_migrated,
    protocol_degraded,
    protocol_restored,
    runner_ejected,
    runner_on_trial,
    runner_quarantined,
    runner_released,
    balancer_suspended,
    balancer_restored,
    job_submitted,
    job_state_changed,
    job_dead,
    plugin_loaded,
    plugin_rejected,
    plugin_replaced,
    plugin_probation,
    plugin_swapped_back,
    plugin_retired,
    plugin_gone,
    plugin_removed,
    plugin_quarantined,
    plugin_admitted,
    config_reloaded,
    config_refused,
    balancer_switched,
    scaling_hook_failed,
    scaling_hook_restored,
    gap,
};
std::string_view to_string(event_type t) noexcept;

/// A set of types, a bit each.
using event_types = std::uint64_t;
constexpr event_types k_all_events = ~event_types{0};
constexpr event_types only(event_type t) noexcept { return event_types{1} << static_cast<unsigned>(t); }
/// Those whose names begin with one of these; of none, all.
event_types event_types_of(const std::vector<std::string>& prefixes);

struct event {
    std::uint64_t seq = 0;
    std::int64_t wall_ns = 0;
    event_type type = event_type::gap;
    id runner{};
    id job{};
    std::string detail{};  // JSON members without braces: "\"from\":\"offline\",\"to\":\"online\""
};
/// The EVENT document of kernel/serve/README.md.
std::string to_json(const event& e);

class event_log {
public:
    explicit event_log(const clock& clk, std::size_t capacity = 16384);
    void publish(event_type type, id runner, id job, std::string detail = {});
    /// Numbers of this life follow epoch * 2^32, so that they only grow over restarts; what was published before moves
    /// along. Before the first watcher. They stay below 2^53, exact in every JSON reader, for two million starts.
    void begin_life(std::uint64_t epoch);
    /// True while somebody watches events of this type; publishers of short-lived jobs may skip theirs otherwise.
    bool watched(event_type t) const noexcept { return (wanted_.load(std::memory_order_relaxed) & only(t)) != 0; }
    std::uint64_t last_seq() const;

    class watcher {
    public:
        ~watcher();
        watcher(const watcher&) = delete;
        watcher& operator=(const watcher&) = delete;
        /// Up to `max` wanted events after the last one returned; the first may be a gap, which everybody wants. Empty: notify
        /// will be called at the next wanted one.
        std::vector<event> pull(std::size_t max);

    private:
        friend class event_log;
        watcher(event_log& log, std::uint64_t after, event_types wanted, std::function<void()> notify);
        event_log& log_;
        const event_types wanted_;
        std::uint64_t next_;
        std::function<void()> notify_;
        bool asleep_ = false;  // under the log's lock
    };
    /// From the event after number `after` (0 = everything still kept; otherwise only new ones). A number of an earlier
    /// life begins with a gap: what happened between is not known here.
    std::unique_ptr<watcher> watch(std::uint64_t after, bool only_new, std::function<void()> notify,
                                   event_types wanted = k_all_events);

private:
    const clock& clock_;
    std::size_t capacity_;
    mutable std::mutex mutex_;
    std::vector<event> ring_;
    std::uint64_t oldest() const noexcept;  // number of the oldest event that is or would be kept; under the lock
    std::uint64_t first_seq_ = 1;           // of this life
    std::uint64_t next_seq_ = 1;
    std::vector<watcher*> list_;
    void note_watchers() noexcept;        // under the lock
    std::atomic<event_types> wanted_{0};  // by any watcher
};

}  // namespace sigrun

// Every runner known here, by id and by name, with its events and its journaled identity.
// Lookups are [any] behind a shared lock, off the selection path (selection has its own index).
#pragma once

#include "kernel/runner/event_log.hpp"
#include "kernel/runner/runner.hpp"
#include "kernel/store/journal.hpp"

#include <array>
#include <atomic>
#include <shared_mutex>
#include <unordered_map>

namespace sigrun {

class registry {
public:
    using stored_fn = std::function<void(result<void>)>;

    registry(event_log& events, journal& store, const clock& clk, std::uint32_t max_runners);

    /// A new runner (RunnerRegistered, journaled) or, for the same name and key, the existing one with its labels,
    /// slots and endpoint renewed. conflict: the name belongs to another key. busy: max_runners.
    /// `stored` runs once the identity is on disk (or could not be written); not after an error.
    result<runner_ptr> add(runner_identity identity, stored_fn stored = {});
    /// From the journal, without an event.
    result<runner_ptr> restore(std::string_view json);
    result<void> remove(const runner_ptr& r, std::string_view reason);
    /// By name or id; a problem that lists near names.
    result<runner_ptr> find(std::string_view name_or_id) const;
    std::vector<runner_ptr> all() const;  // by name
    std::size_t size() const;
    /// How many are in each status, in the order of runner_status; without looking at any. [any]
    std::array<std::int64_t, 6> by_status() const noexcept;

    /// Applies the inputs to the runner's status machine and publishes the change. Returns the status now.
    runner_status apply_status(runner& r, bool linked, bool full, std::string_view reason);
    /// Sets what the operator asked for; journaled.
    void set_admin(runner& r, admin_state state, std::string_view reason, stored_fn stored = {});
    /// Replaces the facts `before`, unless they were replaced already (false); publishes CapabilitiesUpdated with the changed
    /// keys. Facts that change all the time are no news.
    bool exchange_facts(runner& r, const sheet_ptr& before, const sheet_ptr& now, const std::string& process = {},
                        std::uint64_t revision = 0);

    event_log& events() noexcept { return events_; }
    const clock& time() const noexcept { return clock_; }

private:
    void save(const runner_identity& identity, stored_fn stored);
    void count(runner_status s, std::int64_t more) noexcept {
        by_status_[static_cast<std::size_t>(s)].fetch_add(more, std::memory_order_relaxed);
    }

    event_log& events_;
    journal& store_;
    const clock& clock_;
    std::uint32_t max_runners_;
    mutable std::shared_mutex mutex_;
    std::unordered_map<id, runner_ptr> by_id_;
    std::map<std::string, runner_ptr, std::less<>> by_name_;
    std::array<std::atomic<std::int64_t>, 6> by_status_{};
};

}  // namespace sigrun

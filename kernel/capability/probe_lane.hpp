// One probe as the detector uses it: at most one run at a time, each within the probe's limits.
//
// A run begins on the worker pool. At the soft limit the probe is cancelled; at the hard limit its caller
// gets what has arrived so far and `timeout` for the probe's key patterns, and whatever the probe sends later
// is dropped. A probe that is past its hard limit is not started again until it has returned, so it can cost
// no more than one thread. One that does not say SIGRUN_PROBE_IN_PROCESS runs in a process of its own, which is killed at its
// hard limit, and costs no thread at all. [any]; callbacks run on the thread that ended the run and never under a lock. Owns
// a share of the instance.
#pragma once

#include "kernel/base/clock.hpp"
#include "kernel/capability/facts.hpp"
#include "kernel/capability/probe_activity.hpp"
#include "kernel/capability/probe_answer.hpp"
#include "kernel/plugin/plugin_host.hpp"

#include <sigrun/probe.h>

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

namespace sigrun {

class isolated_probe;
class probe_ticket;

class probe_lane : public std::enable_shared_from_this<probe_lane> {
public:
    using done = std::function<void(probe_answer_ptr)>;

    /// Null if the instance has no usable probe table. The host must outlive every call but those after
    /// stop(). `program`: started for a probe that runs in a process of its own; empty: none does.
    static std::shared_ptr<probe_lane> make(plugin_host& host, const clock& clk, std::shared_ptr<instance> target,
                                            std::shared_ptr<probe_activity> activity, const std::string& program);

    const std::shared_ptr<instance>& target() const noexcept { return target_; }
    const sigrun_probe& table() const noexcept { return *table_; }
    bool isolated() const noexcept { return isolated_ != nullptr; }
    /// Never that of another lane.
    std::uint64_t number() const noexcept { return number_; }
    /// Key patterns the probe declares: "memory.*", "cpu.cores".
    const std::vector<std::string>& patterns() const noexcept { return patterns_; }
    bool covers(std::string_view key) const noexcept;
    /// True if some key that begins with one of `prefixes` may come from here; no prefixes: always.
    bool overlaps(std::span<const std::string> prefixes) const noexcept;

    /// Only for who asks for such probes, and never beside others.
    bool on_request() const noexcept { return table_->flags & SIGRUN_PROBE_ON_REQUEST; }

    /// Runs the probe, after the runs asked for before; `callback` is called exactly once.
    void run(std::string sysroot, done callback);
    /// What it has said last of this tree; nothing yet: null.
    probe_answer_ptr last(const std::string& sysroot) const;
    /// That nothing is known of its keys, one fact for each pattern, since nobody knows which there are.
    std::vector<fact> nothing_known(fact_status status, std::string_view detail) const;
    /// Cancels the run that is under way, as its soft limit would.
    void cancel();
    /// Crashes so far do not keep it from being run.
    void forgive();
    /// Answers everybody now; nothing is started any more and neither host nor clock are used again.
    void stop();
    std::uint64_t runs() const noexcept { return runs_.load(); }

private:
    friend class probe_ticket;
    probe_lane(plugin_host& host, const clock& clk, std::shared_ptr<instance> target,
               std::shared_ptr<probe_activity> activity, const sigrun_probe* table, const std::string& program);
    void begin(const std::shared_ptr<probe_ticket>& ticket);
    void returned(const probe_ticket* ticket);
    void overdue(const probe_ticket* ticket);
    void remember(const std::string& sysroot, const probe_answer_ptr& said);
    unsigned failed_again();
    std::vector<fact> remembered(const std::string& sysroot) const;

    plugin_host& host_;
    const clock& clock_;
    const std::shared_ptr<instance> target_;
    const std::shared_ptr<probe_activity> activity_;
    const sigrun_probe* const table_;
    std::vector<std::string> patterns_;
    const std::shared_ptr<isolated_probe> isolated_;  // null: it runs in this process
    const std::uint64_t number_;
    std::atomic<std::uint64_t> runs_{0};
    mutable std::mutex mutex_;
    struct memory {
        std::string sysroot;
        probe_answer_ptr answer;
    };
    memory last_, good_;     // good: of the last run that went well
    unsigned failures_ = 0;  // since then
    std::shared_ptr<probe_ticket> running_;
    std::deque<std::shared_ptr<probe_ticket>> waiting_;
    bool overdue_ = false;
    bool stopped_ = false;
};

/// True if `key` is `pattern`, or begins with it when the pattern ends in "*".
inline bool key_matches(std::string_view pattern, std::string_view key) noexcept {
    if (!pattern.ends_with('*')) return pattern == key;
    pattern.remove_suffix(1);
    return key.starts_with(pattern);
}

}  // namespace sigrun

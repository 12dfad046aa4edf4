// One runner: identity, what it can do, how it is doing.
#pragma once

#include "kernel/base/clock.hpp"
#include "kernel/base/id.hpp"
#include "kernel/capability/fact_sheet.hpp"
#include "kernel/runner/protocol_evidence.hpp"
#include "kernel/runner/quarantine.hpp"
#include "kernel/runner/status.hpp"

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace sigrun {

/// What makes a runner itself; journaled, survives a restart.
struct runner_identity {
    id uid;
    std::string name;      // unique
    std::string key_hash;  // of the secret an agent keeps; empty for runners added by an operator
    std::string endpoint;  // empty: it dials in
    std::string profile;   // "" native, "rustci"
    std::string options;   // JSON object for the protocol plugin, or empty
    label_map labels;
    std::optional<std::uint16_t> slots;  // declared; otherwise what the runner says
    admin_state admin = admin_state::none;
    std::string admin_reason;
    std::int64_t registered_ns = 0;
    bool from_config = false;  // a [runner NAME] section: not journaled
};
std::string to_json(const runner_identity& identity);
result<runner_identity> runner_identity_from_json(std::string_view text);

struct runner_counts {
    std::atomic<std::uint64_t> completed{0};  // ended with a result of the job's own
    std::atomic<std::uint64_t> failed{0};     // ended otherwise
};

/// Mutable parts are guarded by `mutex`; identity.uid and name never change. Shared by pointer.
struct runner {
    explicit runner(runner_identity i) : identity(std::move(i)), foreign(!identity.profile.empty()) {}
    const id& uid() const noexcept { return identity.uid; }

    mutable std::mutex mutex;
    runner_identity identity;
    std::atomic<bool> foreign;  // identity.profile is set: it speaks no session of ours
    status_machine status;
    bool removed = false;   // from the registry, for good
    bool leaving = false;   // it drains itself; over with its last link
    std::string not_ready;  // what it says of itself: why it takes no job; empty = it does
    std::string set_aside;  // for how long, and why; empty = it is not
    quarantine conduct;
    std::atomic<bool> watched{false};  // conduct is not spotless; readable without the lock
    std::uint16_t places = 0;          // 0 = unknown yet
    sheet_ptr facts;
    std::string facts_process;         // the run of the agent that told them; empty: none did
    std::uint64_t facts_revision = 0;  // its number for them
    std::vector<std::string> kinds;    // job kinds it can run; empty = unknown
    std::map<std::string, protocol_evidence, std::less<>> protocols;
    std::int64_t last_seen_ns = 0;  // wall clock
    std::atomic<std::int64_t> last_end_ns{
        0};  // when it came online or a place of it became free; 0 = never. Steady clock
    runner_counts counts;

    /// Jobs that it may have at once: one, while it is on trial. Under the mutex.
    std::uint16_t usable_places() const {
        if (conduct.state() == quarantine::phase::trial) return 1;
        return std::max<std::uint16_t>(1, identity.slots.value_or(places));
    }
};
using runner_ptr = std::shared_ptr<runner>;

}  // namespace sigrun

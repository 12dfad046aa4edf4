// The executors of this process by job kind, and what an offer's document asks of them.
#pragma once

#include "kernel/base/clock.hpp"
#include "kernel/plugin/plugin_host.hpp"

#include <sigrun/executor.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

/// Whoever works beyond a call holds it by shared_from_this().
struct executor_entry : std::enable_shared_from_this<executor_entry> {
    std::shared_ptr<instance> owner;
    const sigrun_executor* table = nullptr;
    std::vector<std::string> kinds;
    bool is_inline = false;
};

/// What the agent reads in a job document; everything else is the executor's.
struct offer_terms {
    const executor_entry* executor = nullptr;  // null: no executor for this kind; lives as long as the set
    std::string kind = "process";
    nanoseconds run_timeout = std::chrono::hours(1);
    bool in_memory = false;  // durability "memory": nobody will acknowledge the final state
    std::string fault;       // why the document cannot be read; empty = fine
};

/// Immutable after construction; [any].
class executor_set {
public:
    explicit executor_set(plugin_host& host);
    std::vector<std::string> kinds() const;
    const executor_entry* find(std::string_view kind) const noexcept;
    /// Valid until the thread's next call. The thread's last document is remembered, so that a stream of equal small jobs
    /// is not parsed again.
    const offer_terms& read(std::string_view document) const;

private:
    offer_terms parse(std::string_view document) const;
    std::vector<std::shared_ptr<const executor_entry>> entries_;
    std::uint64_t number_;  // tells the sets of one process apart in the threads' memory
};

}  // namespace sigrun

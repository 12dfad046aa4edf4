// The executors of this process by job kind, and what an offer's document asks of them. An executor can be replaced while
// offers arrive: readers see the old roster or the new one, and pay no lock for it.
#pragma once

#include "kernel/base/clock.hpp"
#include "kernel/job/artifact.hpp"
#include "kernel/plugin/plugin_host.hpp"

#include <sigrun/executor.h>

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

/// Whoever works beyond a read section holds it by shared_from_this(), and with it the executor's code.
struct executor_entry : std::enable_shared_from_this<executor_entry> {
    std::shared_ptr<instance> owner;
    const sigrun_executor* table = nullptr;
    std::vector<std::string> kinds;
    bool is_inline = false;
};
using executor_ptr = std::shared_ptr<const executor_entry>;

/// What the agent reads in a job document; everything else is the executor's.
struct offer_terms {
    const executor_entry* executor = nullptr;  // null: no executor for this kind; valid in the read section alone
    std::string kind = "process";
    nanoseconds run_timeout = std::chrono::hours(1);
    nanoseconds silent_timeout{0};  // 0 = none
    std::vector<artifact_wish> artifacts;
    std::string workdir;     // only with artifacts
    bool in_memory = false;  // durability "memory": nobody will acknowledge the final state
    std::string fault;       // why the document cannot be read; empty = fine
};

/// [any] unless said otherwise.
class executor_set {
public:
    explicit executor_set(plugin_host& host);
    std::vector<std::string> kinds() const;
    std::vector<executor_ptr> entries() const;
    /// Call it inside a read_section; valid until that ends or the thread calls again. The thread's last document is
    /// remembered, so that a stream of equal small jobs is not parsed again.
    const offer_terms& read(std::string_view document) const;

    /// Whether this one can run jobs at all.
    static result<void> usable(const std::shared_ptr<instance>& which);
    /// [ctl] Beside those that are there.
    void add(const std::shared_ptr<instance>& which);
    /// [ctl] As replace, with nothing in its place. Refused for the last one: no job could run any more.
    result<void> remove(const std::shared_ptr<instance>& which);
    /// [ctl] From here on offers meet `now` in the place of `old`, and no offer is inside `old` any more; attempts that hold
    /// its entry go on there. False: this system cannot tell whether a thread is inside, so `old` must stay for ever.
    bool replace(const std::shared_ptr<instance>& old, const std::shared_ptr<instance>& now);

private:
    struct roster {
        std::vector<executor_ptr> entries;
        std::uint64_t number = 0;  // tells all rosters of the process apart in the threads' memory
        const executor_entry* find(std::string_view kind) const noexcept;
    };
    static executor_ptr entry_for(const std::shared_ptr<instance>& which);  // null: it cannot run anything
    static offer_terms parse(std::string_view document, const roster& among);
    void publish(std::unique_ptr<roster> next);
    bool supersede(std::vector<executor_ptr> entries);

    std::unique_ptr<const roster> owned_;
    std::atomic<const roster*> current_{nullptr};
};

}  // namespace sigrun

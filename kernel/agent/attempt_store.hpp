// What an agent that comes after this one has to know of the running attempts: one folder each below STATE/attempts, with a
// record of the offer in it and whatever the executor leaves there.
//
// Folders are used again and again, since making and removing files takes longer than starting a job. Written to the page
// cache: it survives the agent and not the machine, as do the processes. How an attempt ended is worth more; see sync. [any]
#pragma once

#include "kernel/agent/assignment_names.hpp"
#include "kernel/base/result.hpp"
#include "kernel/guard/secret_box.hpp"
#include "kernel/plugin/buffer.hpp"

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace sigrun {

struct attempt_record {
    assignment_names names;
    std::string kind, document, workspace;
    buffer_ref payload;
    bool in_memory = false;
    std::uint64_t deadline_ns = 0;  // CLOCK_MONOTONIC end of the run timeout; 0 = none
    end_cause cause = end_cause::none;
    std::string signature{};  // what is told of it with each state; empty: nothing
};

struct restored_attempt {
    std::string place;
    attempt_record what;
};

class attempt_store {
public:
    /// Nothing is touched before the first use. `folder`: empty = attempts do not outlive the agent.
    /// Documents with secrets are sealed with <folder>/../secrets.key.
    explicit attempt_store(std::string folder) : folder_(std::move(folder)), box_(folder_ + "/../secrets.key") {}

    bool present() const noexcept { return !folder_.empty(); }
    /// The attempts of an agent before this one; what belongs to none is removed. Once, before the first take.
    std::vector<restored_attempt> restore();
    /// A folder for one attempt. From here on until give_back it is restored after a crash.
    result<std::string> take(const attempt_record& what);
    /// Why this runner itself ends it.
    void note(const std::string& place, end_cause cause) const;
    /// [work] What lies in the folder survives the machine from now on. Blocking.
    void sync(const std::string& place) const;
    /// The attempt is over and forgotten.
    void give_back(const std::string& place);

private:
    const std::string folder_;
    secret_box box_;
    std::mutex mutex_;
    std::vector<std::string> free_;
    std::uint64_t next_ = 0;
};

}  // namespace sigrun

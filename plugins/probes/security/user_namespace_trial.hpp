// Whether this process may really use user namespaces: tried, because the settings that forbid them are many (sysctls,
// seccomp filters, AppArmor on newer Ubuntu) and none of them is proof.
//
// The child shares nothing with this process but what every process inherits, does system calls only, and is waited for:
// no zombie, no signal to a parent that has handlers of its own, and an end after `limit`. It is a copy and not a vfork,
// because a new user namespace may change whether the memory it lives in can be inspected.
#pragma once

#include <chrono>
#include <string_view>

namespace sigrun::security {

struct trial_outcome {
    enum class kind {
        works,        // a namespace was made, its user mapped, and a mount namespace made in it
        refused,      // the kernel said no to `step`, with `error`
        killed,       // ended by signal `error`: a filter that kills instead of refusing
        timed_out,    // the child had to be ended
        stuck,        // a child of an earlier trial cannot be ended; no other one is started
        not_started,  // no child could be made, with `error`
    };
    kind result = kind::not_started;
    int error = 0;
    std::string_view step = {};
};

/// [any]; one at a time, a second caller waits for the first.
trial_outcome try_user_namespace(std::chrono::milliseconds limit);

/// The same with a child that does `steps` instead; it returns an exit status. For tests of what a child may do.
trial_outcome try_in_child(int (*steps)(), std::chrono::milliseconds limit);

}  // namespace sigrun::security

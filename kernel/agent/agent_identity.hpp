// Who this runner is: a name, a secret key that outlives restarts, and the machine's boot.
#pragma once

#include "kernel/base/result.hpp"

#include <string>

namespace sigrun {

struct agent_identity {
    std::string name;
    std::string key;      // proves to the controller that a returning runner is the same one
    std::string boot_id;  // empty where the system does not tell
};

/// Reads STATE_DIR/key, or makes it (0600) together with the directory (0700).
result<agent_identity> load_identity(const std::string& name, const std::string& state_dir);

/// Holds STATE_DIR/lock for the life of the object: two agents must not share a key or workspaces.
class state_lock {
public:
    static result<state_lock> take(const std::string& state_dir);
    state_lock(state_lock&& o) noexcept;
    state_lock& operator=(state_lock&&) = delete;
    ~state_lock();

private:
    explicit state_lock(int fd) noexcept : fd_(fd) {}
    int fd_;
};

}  // namespace sigrun

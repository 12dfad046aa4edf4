// The program bwrap of this machine: where it is, and whether it can make a sandbox here.
#pragma once

#include <chrono>
#include <mutex>
#include <string>

namespace sigrun::sandbox {

struct bubblewrap {
    std::string program;  // absolute
    std::string version;  // "0.8.0"
    std::string why_not;  // it is of no use
};

/// Looks for it and makes a sandbox with it as a trial. `configured`: its path, or empty for the one in PATH. Ends within two
/// seconds. [work]
bubblewrap find_bubblewrap(const std::string& configured);

/// The same, remembered: for good if it works, else for ten seconds. [any thread that may block]
class bubblewrap_finder {
public:
    explicit bubblewrap_finder(std::string configured) : configured_(std::move(configured)) {}
    bubblewrap get() const;

private:
    std::string configured_;
    mutable std::mutex mutex_;
    mutable bubblewrap known_{};
    mutable std::chrono::steady_clock::time_point looked_{};
};

}  // namespace sigrun::sandbox

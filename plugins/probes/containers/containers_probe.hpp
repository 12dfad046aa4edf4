// runtime[]: container engines whose sockets are here, and which of them answer.
#pragma once

#include <sigrun/cpp/probe.hpp>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace sigrun::containers {

/// What is not a file; an empty function does not exist here (a recorded tree).
struct machine_calls {
    std::function<std::string(const char*)> variable;  // of the environment; empty = not set
};
machine_calls live_calls();

/// How an engine is spoken to.
enum class dialect { engine_api, cri };

struct candidate {
    std::string name;  // docker podman containerd cri-o
    std::string path;
    dialect speaks;
};
/// Where the sockets of engines usually are, and `more`: "docker=/path/to.sock". Throws failure at what is of another form.
std::vector<candidate> candidates(const machine_calls& calls, const std::vector<std::string>& more);

/// Asks all at once. Each has until `limit` passed; a socket that does not answer is a record with usable = false.
void collect(const sdk::sysroot& root, const std::vector<candidate>& where, std::chrono::milliseconds limit,
             sdk::probe_run& run);

}  // namespace sigrun::containers

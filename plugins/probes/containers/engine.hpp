// Asks one container engine what it is, over its UNIX socket, and says what an answer means.
#pragma once

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun::containers {

/// What an engine tells; empty = it did not say.
struct engine_facts {
    std::string name;  // "podman" where podman answers at docker's socket
    std::string version, api, cgroup_driver, storage_driver;
    std::vector<std::string> oci_runtimes;
    std::optional<bool> rootless;
};

/// Of GET /version. False: it is not what an engine answers.
bool read_version(std::string_view body, engine_facts& out);
/// Of GET /info, whose members may all be missing.
void read_info(std::string_view body, engine_facts& out);

struct engine_answer {
    bool usable = false;
    std::string trouble;  // why not, or why /info is missing
    engine_facts facts;
};

/// Talks on the connected socket `fd`, which it closes: /_ping, /version, /info. Ends by `deadline`. At most 1 MiB of each body
/// is read. [one strand]
boost::asio::awaitable<engine_answer> ask_engine(int fd, std::chrono::steady_clock::time_point deadline);

}  // namespace sigrun::containers

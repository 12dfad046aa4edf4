// The live machine's answers.
#include "live.hpp"
#include "network_probe.hpp"

#include <cstdlib>

namespace sigrun::network {

machine_calls live_calls() {
    machine_calls calls;
    calls.tables = read_netlink;
    calls.device = ask_ethtool;
    calls.environment = [](const char* name) {
        const char* value = std::getenv(name);
        return std::string(value ? value : "");
    };
    return calls;
}

}  // namespace sigrun::network

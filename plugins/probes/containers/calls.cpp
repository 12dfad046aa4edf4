// The live machine's answers.
#include "containers_probe.hpp"

#include <cstdlib>

namespace sigrun::containers {

machine_calls live_calls() {
    machine_calls calls;
    calls.variable = [](const char* name) {
        const char* value = std::getenv(name);
        return std::string(value ? value : "");
    };
    return calls;
}

}  // namespace sigrun::containers

// The live machine's answers.
#include "search.hpp"

#include <cstdlib>

namespace sigrun::software {

machine_calls live_calls() {
    machine_calls calls;
    calls.path = [] {
        const char* path = std::getenv("PATH");
        return std::string(path ? path : "").substr(0, k_max_folders * k_max_path);
    };
    return calls;
}

}  // namespace sigrun::software

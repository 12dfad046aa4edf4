// Bodies of answers of a container engine.
#include "engine.hpp"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace sigrun::containers;
    const std::string_view body(reinterpret_cast<const char*>(data), size);
    engine_facts facts;
    if (read_version(body, facts) == facts.version.empty()) std::abort();
    read_info(body, facts);
    if (facts.oci_runtimes.size() > 16) std::abort();
    for (const auto& text : {facts.version, facts.api, facts.cgroup_driver, facts.storage_driver})
        if (text.size() > 128) std::abort();
    return 0;
}

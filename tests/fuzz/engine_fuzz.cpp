// Answers of container engines: bodies of JSON, and messages of the runtime interface.
#include "cri.hpp"
#include "engine.hpp"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace sigrun::containers;
    const std::string_view body(reinterpret_cast<const char*>(data), size);
    engine_facts facts;
    if (read_version(body, facts) == facts.version.empty()) std::abort();
    read_info(body, facts);
    engine_facts told;
    for (auto* read : {read_cri_version, read_containerd_version})
        if (read(body, told) == told.version.empty()) std::abort();
    if (told.version.size() > 128 || told.api.size() > 128) std::abort();
    if (facts.oci_runtimes.size() > 16) std::abort();
    for (const auto& text : {facts.version, facts.api, facts.cgroup_driver, facts.storage_driver})
        if (text.size() > 128) std::abort();
    return 0;
}

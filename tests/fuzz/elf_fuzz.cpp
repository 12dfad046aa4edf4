// A plugin file as a stranger might write it, looked at by the gate that comes before loading.
#include "kernel/plugin/elf_gate.hpp"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    auto found = sigrun::inspect_plugin({reinterpret_cast<const char*>(data), size});
    const bool holds =
        found ? sigrun::is_plugin_id(found->id) && !found->version.empty() : !found.error().text().empty();
    if (!holds) std::abort();
    return 0;
}

// A plugin's sigrun_entry checked once and copied to C++ shape, so that the rest of the host never meets
// strides, missing slots or wild pointers' first signs. The texts inside the options still belong to the
// mapped plugin.
#pragma once

#include "kernel/base/result.hpp"
#include "kernel/plugin/elf_gate.hpp"

#include <sigrun/plugin.h>

#include <string>
#include <vector>

namespace sigrun {

struct component_record {
    std::string id, kind, doc;
    std::vector<sigrun_opt> options;
};
struct plugin_descriptor {
    std::string id, version, vendor, license, doc;
    std::string abi;  // "1.0"
    std::uint64_t flags = 0;
    std::vector<component_record> components;
};

/// Problems name field, expected and found; among them every disagreement with the note.
result<plugin_descriptor> read_descriptor(const sigrun_entry& entry, const plugin_identity& note);

}  // namespace sigrun

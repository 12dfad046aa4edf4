// What a HELLO says of its runner's facts: all of them, what has changed since a numbered state, or only which state it is.
#pragma once

#include "kernel/capability/facts.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sigrun {

struct told_facts {
    std::string process;                // the run of the agent that numbers its states
    std::uint64_t revision = 0;         // of the state after this; 0: not numbered
    std::optional<std::uint64_t> base;  // of the state before it; nothing: `facts` are all there are
    capability_ptr facts;               // null: none were sent
    std::vector<std::string> gone;      // keys
    std::string inventory_hash;         // of the state after this
};
/// At most 4096 keys that are gone, besides the limits of facts.
result<told_facts> parse_told_facts(const json::object& hello);

/// All facts after a change.
std::vector<fact> changed_facts(std::vector<fact> before, const told_facts& told);

}  // namespace sigrun

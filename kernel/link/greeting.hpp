// HELLO: what a runner says of itself. Parsing and limits only.
#pragma once

#include "kernel/link/fleet.hpp"
#include "kernel/link/told_facts.hpp"

#include <optional>

namespace sigrun {

struct greeting {
    std::string name, key, session, version;
    std::string process;  // one run of the agent
    std::uint64_t generation = 0;
    bool moving = false;  // its former connection still works and is given up for this one
    std::uint16_t slots = 0;
    label_map labels;
    std::vector<std::string> kinds;
    told_facts facts;
    std::vector<inventory_item> inventory;
};

/// Every limit of the session: name 1..64 of [A-Za-z0-9._-], key 16..128 characters, slots 1..65535, 64 labels,
/// 4096 inventory items.
result<greeting> parse_greeting(std::string_view text);
/// The member `inventory` of a HELLO; empty if there is none.
result<std::vector<inventory_item>> parse_inventory(const json::object& hello);
/// The member `kinds`, of job kinds this runner has executors for; nothing if it is not there.
std::optional<std::vector<std::string>> parse_kinds(const json::object& hello);
/// The inventory part alone, with its verdicts, as WELCOME carries them.
json::array to_json(const std::vector<inventory_item>& items, const std::vector<verdict>& verdicts);
bool valid_runner_name(std::string_view name) noexcept;

}  // namespace sigrun

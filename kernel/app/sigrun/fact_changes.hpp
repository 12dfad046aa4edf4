// What is another in one document than in an earlier one, fact by fact, of a list of records field by field. Pure.
#pragma once

#include "kernel/base/json.hpp"
#include "kernel/capability/facts.hpp"

#include <string>
#include <vector>

namespace sigrun::cli {

struct fact_change {
    char kind = '~';                   // '+' there now, '-' gone, '~' another value or status
    std::string key;                   // "memory.available_bytes", "nic[1].state"
    std::string old, now;              // as sigrun probe shows them
    json::value old_value, new_value;  // null: none
};

/// In the order of the keys.
std::vector<fact_change> changes_between(const capability_document& before, const capability_document& after);

/// "~ memory.available_bytes 1.0 GiB -> 1.1 GiB"
std::string line_of(const fact_change& change);
json::object to_json(const fact_change& change, std::int64_t wall_ns);

}  // namespace sigrun::cli

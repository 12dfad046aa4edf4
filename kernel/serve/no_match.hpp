// Why no runner satisfies a requirement, as a colleague would say it.
#pragma once

#include "kernel/link/fleet.hpp"

namespace sigrun {

/// "none of 3 runners satisfies the requirement; any(g in gpu, g.memory_bytes >= 40GiB): 1 has no gpu, the closest is 24.0 GiB
/// on build-2, of 1 nobody knows (build-3: gpu was never looked at)". At most three terms.
std::string no_match_text(const fleet& links, const selector::explanation& e);
/// The member `terms` of an explanation, but for what is told of the text itself.
json::object term_json(const fleet& links, const selector::term_count& term);

}  // namespace sigrun

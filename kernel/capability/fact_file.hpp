// What the probes said, on disk for the next start: one line with format, checksum and length, then JSON. Whole or not there; a
// file that is damaged, or of another format, is as good as none. [any]
#pragma once

#include "kernel/capability/facts.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

struct kept_answer {
    std::string probe, code;  // its name, and the hash of the file it is of: what another one said is not kept
    std::vector<fact> facts;
};
struct kept_facts {
    std::string boot_id;
    std::vector<kept_answer> answers;
};

std::string to_text(const kept_facts& all);
/// Bounded: at most k_max_fact_file bytes.
result<kept_facts> kept_facts_from(std::string_view text);
inline constexpr std::size_t k_max_fact_file = 16 * 1024 * 1024;

/// Without what is worth nothing after a restart: what could not be found out, what changes all the time, and in another boot of the
/// machine everything but what never changes.
std::vector<fact> worth_keeping(std::vector<fact> facts, bool same_boot);

}  // namespace sigrun

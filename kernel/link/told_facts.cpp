#include "kernel/link/told_facts.hpp"

#include <algorithm>

namespace sigrun {
namespace {

constexpr std::size_t k_max_gone = 4096;
constexpr std::size_t k_max_key = 256;
constexpr std::size_t k_max_word = 64;  // of a process, of a hash

}  // namespace

result<told_facts> parse_told_facts(const json::object& hello) {
    told_facts told;
    told.process = text_or(hello, "process").substr(0, k_max_word);
    told.revision = number_or<std::uint64_t>(hello, "facts_revision", 0);
    told.inventory_hash = text_or(hello, "inventory_hash").substr(0, k_max_word);
    if (const auto* base = hello.if_contains("facts_base")) {
        told.base = number_or<std::uint64_t>(hello, "facts_base", 0);
        if (!*told.base || *told.base > told.revision || told.process.empty())
            return bad_value("facts_base", "a revision from 1 to facts_revision, of a process",
                             json::serialize(*base).substr(0, 80));
    }
    if (const auto* facts = array_or_null(hello, "facts")) {
        SIGRUN_TRY(doc, capability_document::from_json(*facts));
        told.facts = doc;
    } else if (told.base) {
        return bad_value("facts", "an array of what has changed since facts_base", "nothing");
    }
    if (const auto* gone = array_or_null(hello, "facts_gone")) {
        if (gone->size() > k_max_gone)
            return problem{errc::too_large, "too many keys", "facts_gone", "at most 4096",
                           std::to_string(gone->size())};
        for (const auto& key : *gone) {
            if (!key.is_string() || key.get_string().size() > k_max_key)
                return bad_value("facts_gone", "keys of at most 256 bytes", json::serialize(key).substr(0, 80));
            told.gone.emplace_back(key.get_string());
        }
        std::sort(told.gone.begin(), told.gone.end());
    }
    return told;
}

std::vector<fact> changed_facts(std::vector<fact> before, const told_facts& told) {
    std::erase_if(before, [&](const fact& f) {
        return told.facts->find(f.key) || std::binary_search(told.gone.begin(), told.gone.end(), f.key);
    });
    before.insert(before.end(), told.facts->facts().begin(), told.facts->facts().end());
    return before;
}

}  // namespace sigrun

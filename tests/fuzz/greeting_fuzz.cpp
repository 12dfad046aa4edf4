// What a runner says of itself and of its attempts in HELLO.
#include "kernel/link/greeting.hpp"

#include <cstdint>
#include <cstdlib>

namespace {

using namespace sigrun;

void check(bool holds) {
    if (!holds) std::abort();
}

void check_refusal(const problem& why) {
    check(!why.text().empty() && why.text().size() <= 1024);
    check(json::parse(why.to_json()).is_object());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto g = parse_greeting(text);
    if (g) {
        check(valid_runner_name(g->name) && g->slots >= 1 && g->key.size() >= 16 && g->key.size() <= 128);
        check(g->labels.size() <= 64 && g->kinds.size() <= 64 && g->inventory.size() <= 4096);
        check(g->process.size() <= 64);
        const std::vector<verdict> verdicts(g->inventory.size());
        check(to_json(g->inventory, verdicts).size() == g->inventory.size());
        if (g->facts.facts) (void)changed_facts(g->facts.facts->facts(), g->facts).size();
    } else {
        check_refusal(g.error());
    }
    // The same members in a later HELLO.
    const auto later = parse_object(text);
    if (!later) return 0;
    const auto inventory = parse_inventory(*later);
    if (!inventory)
        check_refusal(inventory.error());
    else
        for (const auto& item : *inventory) check(!item.job.empty() && !item.token.empty());
    if (const auto kinds = parse_kinds(*later)) check(kinds->size() <= 64);
    return 0;
}

// What becomes of the facts that runners tell: whole documents, changes of a known state, and gaps between the two.
#include "kernel/link/fleet.hpp"
#include "kernel/link/told_facts.hpp"
#include "kernel/log/loggers.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>

namespace sigrun {
namespace {

void put(std::vector<fact>& facts, fact f) {
    const auto same = [&](const fact& each) { return each.key == f.key; };
    const auto at = std::find_if(facts.begin(), facts.end(), same);
    if (at == facts.end())
        facts.push_back(std::move(f));
    else if (at->status != f.status || at->value != f.value)
        *at = std::move(f);
}

}  // namespace

// What the session itself says, as facts, so that requirements can name it.
void fleet::declare(std::vector<fact>& facts, std::uint16_t slots, const std::vector<std::string>& kinds) const {
    fact f;
    f.method = "declared";
    f.source = "session";
    f.volatility = fact_volatility::boot;
    f.observed_ns = clock_.wall_ns();
    f.key = "runner.slots";
    f.value = slots;
    put(facts, f);
    f.key = "runner.kinds";
    f.value = json::array(kinds.begin(), kinds.end());
    put(facts, std::move(f));
}

void fleet::count_told(const char* how) {
    numbers_
        .get_counter("sigrun_facts_told_total",
                     "What runners told of their facts: all, changes, nothing new, or changes of a state unknown here.",
                     {{"how", how}})
        .add();
}

bool fleet::learn(const member_ptr& m, const told_facts& told) {
    const bool all = tuned()->auto_detection;
    for (;;) {
        sheet_ptr before;
        std::string process;
        std::uint64_t revision = 0;
        std::uint16_t slots = 0;
        std::vector<std::string> kinds;
        fact protocols;
        {
            std::lock_guard lock(m->info->mutex);
            before = m->info->facts;
            protocols = protocol_fact(*m->info);
            process = m->info->facts_process;
            revision = m->info->facts_revision;
            slots = m->info->places;
            kinds = m->info->kinds;
        }
        const bool same_run = before && !told.process.empty() && told.process == process;
        const bool newer = !same_run || !told.revision || told.revision > revision;
        std::vector<fact> next;
        if (told.base) {
            if (!same_run || *told.base > revision) {
                count_told("gap");
                SIGRUN_LOG(logs::fleet, debug, "runner ", m->info->identity.name, " tells what changed since revision ",
                           *told.base, " of its facts, ",
                           same_run ? "known here is " + std::to_string(revision) : "which is unknown here");
                return false;
            }
            // Mostly it is some numbers that move all the time.
            const auto quick = all && told.gone.empty() ? before->with(told.facts->facts()) : nullptr;
            if (quick && newer && (told.inventory_hash.empty() || told.inventory_hash == quick->inventory_hash())) {
                if (!runners_.exchange_facts(*m->info, before, quick, told.process, told.revision)) continue;
                count_told("changes");
                return true;
            }
            next = changed_facts(before->facts(), told);
        } else if (told.facts) {
            next = told.facts->facts();
        } else if (same_run && told.revision) {
            count_told("nothing");
            return told.revision == revision;
        } else if (before) {
            next = before->facts();  // until it tells them
        }
        if (told.facts && !newer) {
            // Over another link it was faster.
            count_told("nothing");
            return true;
        }
        if (!all) std::erase_if(next, [](const fact& f) { return f.method != "declared"; });
        if (told.base && all && !told.inventory_hash.empty() &&
            capability_document(next).inventory_hash() != told.inventory_hash) {
            count_told("gap");
            SIGRUN_LOG(logs::fleet, warning, "runner ", m->info->identity.name,
                       " has other facts than its changes make of those known here; asking for all");
            return false;
        }
        declare(next, slots, kinds);
        put(next, std::move(protocols));
        const bool numbered = told.facts && told.revision;
        const auto now = fact_sheet::of(capability_document(std::move(next)));
        if (!runners_.exchange_facts(*m->info, before, now, numbered ? told.process : std::string(),
                                     numbered ? told.revision : 0))
            continue;
        count_told(!told.facts ? "nothing" : told.base ? "changes" : "all");
        return told.facts || !told.revision;
    }
}

json::object fleet::facts_known(const member_ptr& m) const {
    std::lock_guard lock(m->info->mutex);
    return {{"process", m->info->facts_process}, {"revision", m->info->facts_revision}};
}

void fleet::ask_again(const member_ptr& m, const link_ptr& via) const {
    // Empty: nothing is known, or the runner numbers nothing.
    const auto known = facts_known(m);
    const auto text = number_or<std::uint64_t>(known, "revision", 0)
                          ? json::serialize(json::object{{"facts_known", known}})
                          : std::string();
    sigrun_frame frame{};
    frame.struct_size = sizeof frame;
    frame.kind = SIGRUN_HELLO;
    frame.json = sdk::str(text);
    via->send(frame);
}

// What it told does not fit to what is known: from nothing on.
void fleet::ask_for_all(const member_ptr& m, const link_ptr& via) {
    {
        // A runner whose words never fit is not asked without end.
        std::lock_guard lock(m->mutex);
        if (m->next_question > clock_.now()) return;
        m->next_question = clock_.now() + std::chrono::seconds(2);
    }
    {
        std::lock_guard lock(m->info->mutex);
        m->info->facts_process.clear();
        m->info->facts_revision = 0;
    }
    ask_again(m, via);
}

}  // namespace sigrun

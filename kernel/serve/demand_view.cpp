#include "kernel/serve/demand_view.hpp"

#include "kernel/base/rfc3339.hpp"
#include "kernel/select/predicate.hpp"
#include "kernel/serve/no_match.hpp"

#include <algorithm>
#include <unordered_map>

namespace sigrun {
namespace {

constexpr std::size_t k_answers = 16;  // to different questions that are kept
constexpr nanoseconds k_good = std::chrono::seconds(1);
constexpr int k_share = 20;                    // of the time, one part at most goes into answers
constexpr std::size_t k_gone_runners = 1'000;  // that are looked at
constexpr std::size_t k_judgements = 20'000;   // of those, whether they match
constexpr std::size_t k_explained = 20;        // classes whose missing runner is described
constexpr std::size_t k_idle_told = 100;

bool more_wanted(const demand_class& a, const demand_class& b) noexcept {
    if (a.jobs.queued != b.jobs.queued) return a.jobs.queued > b.jobs.queued;
    if (a.jobs.running != b.jobs.running) return a.jobs.running > b.jobs.running;
    return a.pred->what().key() < b.pred->what().key();
}

protocol_mask protocols_of(const demand_class& of, const fleet& links) {
    protocol_mask queued = 0, any = 0;
    for (const auto& [name, n] : of.protocols) {
        any |= links.mask_of(name);
        if (n) queued |= links.mask_of(name);
    }
    return queued ? queued : any;
}

}  // namespace

/// The runners with their statuses, by the slot they had a moment ago.
struct demand_view::fleet_now {
    struct one {
        member_ptr who;
        slot_ref slot;
        bool indexed = false;
        runner_status status = runner_status::offline;
        time_point idle_since{};
        bool idle = false, wanted = false;
    };
    mutable std::vector<one> all;
    std::vector<std::uint32_t> by_slot;  // number in `all` and one; 0: nobody
    one* at(slot_ref slot) const {
        if (slot.slot >= by_slot.size() || !by_slot[slot.slot]) return nullptr;
        one& found = all[by_slot[slot.slot] - 1];
        return found.slot == slot ? &found : nullptr;
    }
};

demand_view::fleet_now demand_view::look_at_runners() const {
    fleet_now out;
    for (auto& m : c_.links.members()) {
        fleet_now::one r;
        {
            std::lock_guard lock(m->mutex);
            if (m->removed) continue;
            r.indexed = m->indexed;
            r.slot = m->slot;
        }
        {
            std::lock_guard lock(m->info->mutex);
            r.status = m->info->status.status();
        }
        r.idle_since = time_point(nanoseconds(m->info->last_end_ns.load(std::memory_order_relaxed)));
        r.idle = r.indexed && r.status == runner_status::online && !c_.select.in_flight(r.slot);
        r.who = std::move(m);
        out.all.push_back(std::move(r));
    }
    for (std::uint32_t i = 0; i < out.all.size(); ++i) {
        const auto& r = out.all[i];
        if (!r.indexed) continue;
        if (r.slot.slot >= out.by_slot.size()) out.by_slot.resize(r.slot.slot + 1);
        out.by_slot[r.slot.slot] = i + 1;
    }
    return out;
}

void demand_view::look_for_supply(demand_class& of, const fleet_now& fleet, const demand_question& what,
                                  time_point now) const {
    auto& there = of.there;
    c_.select.suppliers(*of.pred, protocols_of(of, c_.links), [&](const selector::supplier& s) {
        ++there.matching;
        auto* seen = fleet.at(s.slot);
        if (seen && of.jobs.queued) seen->wanted = true;
        if (s.open) {
            ++there.online;
            there.places += s.places;
            there.taken += std::min(s.in_flight, s.places);
            there.free += s.free;
            there.idle += seen && seen->idle && now - seen->idle_since >= what.idle;
            if (s.free && of.jobs.queued) of.free.emplace_back(s.slot.slot, s.free);
            return;
        }
        const auto status = seen ? seen->status : runner_status::offline;
        if (status == runner_status::draining) {
            ++there.draining;
            there.draining_places += s.places;
        } else if (status == runner_status::offline) {
            ++there.offline;
            there.offline_places += s.places;
        } else {
            ++there.other;
        }
    });
}

/// Runners that have been offline for so long that selection does not know them any more may come back.
void demand_view::look_for_gone(std::vector<demand_class*>& unmatched, const fleet_now& fleet) const {
    struct gone {
        sheet_ptr facts;
        label_map labels;
    };
    std::vector<gone> all;
    for (const auto& r : fleet.all) {
        if (r.indexed || unmatched.empty()) continue;
        if (all.size() == k_gone_runners) break;
        std::lock_guard lock(r.who->info->mutex);
        if (r.who->info->facts) all.push_back({r.who->info->facts, r.who->info->identity.labels});
    }
    std::size_t left = k_judgements;
    for (auto* of : unmatched) {
        for (const auto& each : all) {
            if (!left) return;
            --left;
            of->there.gone += of->pred->what().matches({each.facts.get(), &each.labels}) == truth::yes;
        }
    }
}

void demand_view::tell_idle(demand_answer& out, const fleet_now& fleet, const demand_question& what) const {
    std::vector<const fleet_now::one*> idle;
    for (const auto& r : fleet.all)
        if (r.idle && out.at - r.idle_since >= what.idle) idle.push_back(&r);
    out.idle_runners = idle.size();
    const auto n = std::min(idle.size(), k_idle_told);
    std::partial_sort(idle.begin(), idle.begin() + static_cast<std::ptrdiff_t>(n), idle.end(),
                      [](const auto* a, const auto* b) { return a->idle_since < b->idle_since; });
    for (std::size_t i = 0; i < n; ++i) {
        demand_answer::idle_runner one;
        one.idle_s = std::chrono::duration<double>(out.at - idle[i]->idle_since).count();
        one.drainable = !idle[i]->wanted;
        const auto& info = *idle[i]->who->info;
        std::lock_guard lock(info.mutex);
        one.id = info.uid().text();
        one.name = info.identity.name;
        one.places = info.usable_places();
        one.labels = info.identity.labels;
        out.longest_idle.push_back(std::move(one));
    }
}

demand_answer demand_view::look(const demand_question& what) const {
    demand_answer out;
    out.at = c_.time.now();
    out.at_ns = c_.time.wall_ns();
    std::unordered_map<const predicate*, demand_class> by_class;
    for (const auto& cell : c_.jobs.demand().busy()) {
        if (!what.queue.empty() && cell->queue() != what.queue) continue;
        if (!what.tenant.empty() && cell->tenant() != what.tenant) continue;
        if (!what.cls.empty() && demand_class::class_id(*cell->pred()) != what.cls) continue;
        // One that came while this is asked waits, too.
        const auto read = cell->read(what.hold.count() ? out.at - what.hold : time_point::max());
        if (!read.empty()) by_class[cell->pred().get()].add(*cell, read);
    }
    auto& all = out.classes;
    for (auto& [pred, of] : by_class) {
        of.jobs.classes = 1;
        all.push_back(std::move(of));
    }
    const auto told = std::min(what.limit, all.size());
    std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(told), all.end(), more_wanted);
    const auto fleet = look_at_runners();
    std::vector<demand_class*> first, unmatched;
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (i < told) {
            look_for_supply(all[i], fleet, what, out.at);
            first.push_back(&all[i]);
        } else {
            all[i].jobs.shortfall = all[i].waited;  // a job that could have a free place would not wait
        }
        if (all[i].jobs.queued && !c_.select.known_to_match(*all[i].pred)) unmatched.push_back(&all[i]);
    }
    share_free_places(first);
    look_for_gone(unmatched, fleet);
    std::size_t explained = 0;
    for (auto* of : unmatched) {
        if (of->there.gone) continue;
        of->jobs.unsatisfiable = of->jobs.queued;
        if (of >= all.data() + told || explained++ >= k_explained) continue;
        const auto e = c_.select.explain(of->pred->what());
        of->missing = e.runners ? no_match_text(c_.links, e) : "no runner is connected";
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
        out.total.add(all[i].jobs);
        if (i >= told) out.other.add(all[i].jobs);
    }
    all.erase(all.begin() + static_cast<std::ptrdiff_t>(told), all.end());
    tell_idle(out, fleet, what);
    return out;
}

std::shared_ptr<const demand_answer> demand_view::ask(const demand_question& what) {
    // Whoever asks the same meanwhile waits for this answer, so that all of them together take one processor at most.
    std::lock_guard lock(mutex_);
    const auto begin = std::chrono::steady_clock::now();
    const auto found = std::find_if(known_.begin(), known_.end(), [&](const known& k) { return k.what == what; });
    if (found != known_.end() && begin < found->good_until) return found->answer;
    auto made = std::make_shared<const demand_answer>(look(what));
    const auto end = std::chrono::steady_clock::now();
    if (found != known_.end()) known_.erase(found);
    known_.push_front({what, made, end + std::max<nanoseconds>(k_good, k_share * (end - begin))});
    if (known_.size() > k_answers) known_.pop_back();
    return made;
}

json::object demand_answer::document() const {
    json::array items;
    for (const auto& each : classes) items.push_back(each.document(at));
    json::array runners;
    for (const auto& each : longest_idle) {
        json::object labels;
        for (const auto& [name, value] : each.labels) labels[name] = value;
        runners.push_back(json::object{{"id", each.id},
                                       {"name", each.name},
                                       {"idle_s", std::round(each.idle_s * 10) / 10},
                                       {"drainable", each.drainable},
                                       {"slots", each.places},
                                       {"labels", std::move(labels)}});
    }
    json::object sum{{"classes", total.classes}}, rest{{"classes", other.classes}};
    total.write(sum, at);
    other.write(rest, at);
    return {{"at", to_rfc3339(at_ns)},
            {"total", std::move(sum)},
            {"classes", std::move(items)},
            {"other", std::move(rest)},
            {"idle", json::object{{"runners", idle_runners}, {"longest", std::move(runners)}}}};
}

}  // namespace sigrun

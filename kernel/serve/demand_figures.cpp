#include "kernel/serve/demand_figures.hpp"

#include "kernel/job/runner_terms.hpp"
#include "kernel/select/predicate.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>
#include <cmath>

namespace sigrun {
namespace {

constexpr std::size_t k_most_of_a_class = 20;  // of queues or tenants of a class, those with most jobs

json::array by_count(const std::map<std::string, std::uint64_t>& counts) {
    std::vector<std::pair<std::string, std::uint64_t>> all(counts.begin(), counts.end());
    std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
    if (all.size() > k_most_of_a_class) all.resize(k_most_of_a_class);
    json::array out;
    for (const auto& [name, n] : all) out.push_back(json::object{{"name", name}, {"queued", n}});
    return out;
}

}  // namespace

void demand_sums::add(const demand_cell::reading& read) noexcept {
    queued += read.of(demand_kind::queued);
    delayed += read.of(demand_kind::delayed);
    blocked += read.of(demand_kind::blocked);
    retrying += read.of(demand_kind::retrying);
    running += read.of(demand_kind::running);
    oldest = std::min(oldest, read.oldest);
}

void demand_sums::add(const demand_sums& other) noexcept {
    classes += other.classes;
    queued += other.queued;
    delayed += other.delayed;
    blocked += other.blocked;
    retrying += other.retrying;
    running += other.running;
    shortfall += other.shortfall;
    unsatisfiable += other.unsatisfiable;
    oldest = std::min(oldest, other.oldest);
}

double demand_sums::oldest_wait_s(time_point now) const noexcept {
    if (!queued || oldest >= now) return 0;
    return std::round(std::chrono::duration<double>(now - oldest).count() * 10) / 10;
}

void demand_sums::write(json::object& to, time_point now) const {
    to["queued"] = queued;
    to["oldest_wait_s"] = oldest_wait_s(now);
    to["shortfall"] = shortfall;
    to["unsatisfiable"] = unsatisfiable;
    to["running"] = running;
    to["delayed"] = delayed;
    to["blocked"] = blocked;
    to["retrying"] = retrying;
}

json::object demand_supply::runners() const {
    return {{"matching", matching}, {"online", online}, {"idle", idle}, {"draining", draining},
            {"offline", offline},   {"other", other},   {"gone", gone}};
}

json::object demand_supply::all_places() const {
    return {{"total", places},
            {"taken", taken},
            {"free", free},
            {"draining", draining_places},
            {"offline", offline_places}};
}

void demand_class::add(const demand_cell& cell, const demand_cell::reading& read) {
    pred = cell.pred();
    kind = cell.kind();
    jobs.add(read);
    waited += read.waited;
    picky += read.picky;
    const auto n = read.of(demand_kind::queued);
    if (n) queues[cell.queue()] += n;
    if (n) tenants[cell.tenant()] += n;
    protocols[cell.protocol()] += n;
}

std::string demand_class::class_id(const predicate& pred) {
    static constexpr char hex[] = "0123456789abcdef";
    std::string out(16, '0');
    const auto high = pred.what().key()[0];
    for (std::size_t i = 0; i < 16; ++i) out[i] = hex[high >> (60 - 4 * i) & 15];
    return out;
}

std::string demand_class::text(const predicate& pred, const std::string& kind) {
    return without_runner_terms(pred.what().canonical(), kind);
}

json::object demand_class::document(time_point now) const {
    json::object labels;
    for (const auto& [name, value] : pred->what().asked_labels()) labels[name] = value;
    json::object out{{"class", id()}, {"requires", text(*pred, kind)}, {"kind", kind}, {"labels", std::move(labels)}};
    jobs.write(out, now);
    out["missing"] = missing.empty() ? json::value(nullptr) : json::value(missing);
    out["runners"] = there.runners();
    out["places"] = there.all_places();
    out["queues"] = by_count(queues);
    out["tenants"] = by_count(tenants);
    return out;
}

void share_free_places(const std::vector<demand_class*>& classes) {
    std::vector<demand_class*> order;
    for (auto* c : classes)
        if (c->jobs.queued) order.push_back(c);
    std::stable_sort(order.begin(), order.end(),
                     [](const auto* a, const auto* b) { return a->there.free < b->there.free; });
    std::vector<std::uint32_t> given;  // by slot
    for (auto* c : order) {
        std::uint64_t wanting = c->jobs.queued - std::min(c->picky, c->jobs.queued);
        for (const auto& [slot, free] : c->free) {
            if (!wanting) break;
            if (slot >= given.size()) given.resize(slot + 1);
            auto& gone = given[slot];
            const auto n = std::min<std::uint64_t>(wanting, free > gone ? free - gone : 0);
            gone += static_cast<std::uint32_t>(n);
            wanting -= n;
        }
        // Those without a place are the ones that came last; only the old ones are told.
        c->jobs.shortfall = std::min<std::uint64_t>(c->waited, wanting + std::min(c->picky, c->jobs.queued));
    }
}

}  // namespace sigrun

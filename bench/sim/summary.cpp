#include "bench/sim/summary.hpp"

#include <algorithm>

namespace sigrun::sim {
namespace {

template <typename T>
void remember(std::vector<const T*>& list, const T* item) {
    if (std::find(list.begin(), list.end(), item) == list.end()) list.push_back(item);
}

/// A slowed runner can do a quarter of what the others do. What it gets beyond that quarter is its excess; before it turned
/// slow, that was three quarters of a share.
void add_excess(row& r, const std::vector<const cell*>& seeds) {
    const double share = seeds.front()->where->degraded;
    for (std::size_t bin = 0; bin < k_slowed_bins; ++bin) {
        double slowed = 0, all = 0;
        for (const cell* c : seeds) {
            slowed += static_cast<double>(c->found.slowed[bin]);
            all += static_cast<double>(c->found.all[bin]);
        }
        if (all > 0) r.excess[bin] = std::max(0.0, (slowed / (all * share) - 0.25) / 0.75);
    }
}

}  // namespace

double row::excess_from(std::size_t bin) const noexcept {
    double sum = 0;
    for (std::size_t i = bin; i < bin + 10; ++i) sum += excess[i];
    return sum / 10;
}

std::size_t row::tenth_reached() const noexcept {
    for (std::size_t bin = 0; bin + 10 < k_slowed_bins; ++bin)
        if (excess_from(bin) <= 0.1) return bin;
    return k_slowed_bins;
}

summary::summary(const std::vector<cell>& cells) {
    std::map<std::pair<std::string, std::uint64_t>, double> oracle;
    std::map<std::pair<std::string, std::string>, std::vector<const cell*>> groups;
    for (const cell& c : cells) {
        remember(regimes_, c.where);
        remember(policies_, c.who);
        groups[{c.where->name, c.who->name}].push_back(&c);
        if (c.who->from == policy_kind::origin::bound) oracle[{c.where->name, c.options.seed}] = c.found.p99_ms;
    }
    for (const auto& [name, seeds] : groups) {
        row& r = rows_[name];
        double attempts = 0, lost = 0, jobs = 0, gave_up = 0;
        spread detect;
        for (const cell* c : seeds) {
            r.p50.add(c->found.p50_ms);
            r.p99.add(c->found.p99_ms);
            r.p999.add(c->found.p999_ms);
            if (const auto best = oracle.find({c->where->name, c->options.seed}); best != oracle.end())
                r.to_oracle.add(c->found.p99_ms / best->second);
            attempts += static_cast<double>(c->found.attempts);
            lost += static_cast<double>(c->found.on_sinkholes);
            jobs += static_cast<double>(c->found.measured + c->found.gave_up);
            gave_up += static_cast<double>(c->found.gave_up);
            detect.add(c->found.failures_to_detect);
        }
        const double blind = attempts * seeds.front()->where->sinkholes;
        if (blind > 0) r.avoided = 1 - lost / blind;
        r.failures_to_detect = detect.mean;
        if (jobs > 0) r.gave_up = gave_up / jobs;
        if (seeds.front()->where->degraded > 0) add_excess(r, seeds);
    }
}

const row* summary::find(std::string_view regime, std::string_view policy) const {
    const auto found = rows_.find(std::pair{std::string(regime), std::string(policy)});
    return found == rows_.end() ? nullptr : &found->second;
}

}  // namespace sigrun::sim

// Every policy of the product against the fixed one that was best: what it costs to have chosen before one knew (goal 17).
#include "bench/sim/regret.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace sigrun::sim {
namespace {

bool fixed(const policy_kind& p) { return p.from == policy_kind::origin::product && p.name != k_adaptive; }

/// p99 in one regime; 0 if it was not run.
double p99_of(const summary& all, const regime& r, const policy_kind& p) {
    const row* found = all.find(r.name, p.name);
    return found ? found->p99.mean : 0;
}

}  // namespace

regret::regret(const summary& all) {
    for (const regime* r : all.regimes()) {
        if (!r->in_suite) continue;
        line l{r, nullptr, 0, {}};
        for (const policy_kind* p : all.policies())
            if (const double p99 = p99_of(all, *r, *p); fixed(*p) && p99 > 0 && (!l.best || p99 < l.best_p99))
                l.best = p, l.best_p99 = p99;
        if (!l.best) continue;
        for (const policy_kind* p : all.policies())
            if (const double p99 = p99_of(all, *r, *p); p->from == policy_kind::origin::product && p99 > 0)
                l.ratio[p->name] = p99 / l.best_p99;
        lines_.push_back(std::move(l));
    }
    for (const policy_kind* p : all.policies()) {
        if (p->from != policy_kind::origin::product) continue;
        double logs = 0;
        bool everywhere = !lines_.empty();
        for (const line& l : lines_) {
            const auto at = l.ratio.find(p->name);
            everywhere &= at != l.ratio.end();
            if (everywhere) logs += std::log(at->second);
        }
        if (!everywhere) continue;
        policies_.push_back(p);
        mean_[p->name] = std::exp(logs / static_cast<double>(lines_.size()));
    }
    for (const policy_kind* p : policies_)
        if (fixed(*p) && (!best_ || mean_.at(p->name) < mean_.at(best_->name))) best_ = p;
}

double regret::of_suite(const std::string& policy) const {
    const auto own = mean_.find(policy);
    return own == mean_.end() || !best_ ? 0 : own->second / mean_.at(best_->name);
}

regret::worst_case regret::worst(const std::string& policy) const {
    worst_case out;
    for (const line& l : lines_)
        if (const auto at = l.ratio.find(policy); at != l.ratio.end() && at->second > out.ratio)
            out = {at->second, l.where, l.best};
    return out;
}

void print_regret(const summary& all) {
    const regret r(all);
    std::printf("\np99 over that of the fixed policy that is best there (mean of the seeds)\n  %-16s", "regime");
    for (const policy_kind* p : r.policies()) std::printf(" %9.9s", p->name.c_str());
    std::printf("  best\n");
    for (const regret::line& l : r.lines()) {
        std::printf("  %-16s", l.where->name.c_str());
        for (const policy_kind* p : r.policies()) std::printf(" %9.3f", l.ratio.at(p->name));
        std::printf("  %s, %.1f ms\n", l.best->name.c_str(), l.best_p99);
    }
    std::printf("  %-16s", "geometric mean");
    for (const policy_kind* p : r.policies()) std::printf(" %9.3f", r.mean_of(p->name));
    std::printf("  %s\n  %-16s", r.best_of_suite() ? r.best_of_suite()->name.c_str() : "-", "worst");
    for (const policy_kind* p : r.policies()) std::printf(" %9.3f", r.worst(p->name).ratio);
    std::printf("\n");
}

}  // namespace sigrun::sim

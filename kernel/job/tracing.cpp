// What picks saw, of some of them: see pick_trace.hpp.
#include "kernel/job/engine.hpp"

#include <algorithm>

namespace sigrun {
namespace {

constexpr std::size_t k_candidates = 8;

}  // namespace

// Whether the pick that was just made is one of those. Per thread, so that nobody waits for a shared number.
bool job_engine::traces_this_one(const job_spec& spec) const noexcept {
    thread_local std::uint32_t picks = 0;
    const auto every = tuned_.trace_every.load(std::memory_order_relaxed);
    return spec.explain || (every && ++picks % every == 0);
}

// Under the job's lock, right after the pick.
void job_engine::trace(const job& j, attempt& a) {
    const auto seen =
        select_.look_around(*j.spec->pred, fleet_.mask_of(j.spec->protocol), a.place, k_candidates, random_u64());
    pick_trace t;
    t.at_ns = clock_.wall_ns();
    t.looked_at = seen.looked_at;
    for (const auto& s : seen.best) {
        const auto who = fleet_.at(s.slot);
        const auto now = select_.standing(s.slot);
        t.candidates.push_back({who ? who->info->identity.name : std::string(), s.picked, s.tier, s.in_flight, s.places,
                                s.score, now.relative_cost, now.relative_time, now.success, now.wait_us, now.samples});
    }
    const auto cls = select_.standing(*j.spec->pred);
    t.samples = cls.samples;
    t.mean_exec_us = cls.mean_exec_us;
    t.p95_exec_us = select_.exec_quantile_us(*j.spec->pred, 0.95);
    a.trace = traces_.keep(std::move(t));
}

}  // namespace sigrun

// Runners that do not run a job for its signature. The same offer would get the same answer, so they are left out for a while, also
// if nobody else could run it: then the job waits, and says why.
#include "kernel/job/engine.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>

namespace sigrun {
namespace {

// A key may be added on the runner, and then its facts say so; but a refusal may have causes that no fact tells.
constexpr std::chrono::seconds k_left_out{10};
constexpr std::size_t k_most_refusers = 256;

}  // namespace

// Under the job's lock, as all of these.
void job_engine::note_refuser(job& j, const member_ptr& where, const failure& why) const {
    if (!where || why.code != k_signature_refusal) return;
    auto& all = j.refusers.make();
    std::erase_if(all, [&](const refuser& each) { return each.where == where; });
    if (all.size() == k_most_refusers) all.erase(all.begin());
    all.push_back({where, clock_.now() + k_left_out, why.message});
}

std::vector<std::uint32_t> job_engine::slots_that_refuse(const job& j) const {
    std::vector<member_ptr> who;
    for (const auto& each : *j.refusers)
        if (each.until > clock_.now()) who.push_back(each.where);
    return who.empty() ? std::vector<std::uint32_t>() : slots_of(std::move(who), false);
}

// "" if it is not for that reason that it finds no place.
std::string job_engine::refusal_text(const job& j) const {
    const auto refuse = slots_that_refuse(j);
    if (refuse.empty() || could_run_but_on(j, refuse)) return {};
    const auto& last = j.refusers->back();
    return sdk::concat("waits: every runner that matches refuses its signature, at last ",
                       last.where->info->identity.name, ": ", last.why);
}

// How long it may still wait; by the wall clock, as the signature says it.
void job_engine::expect_signature_end(job& j) const {
    if (!j.spec->signature) return;
    const nanoseconds left(j.spec->signature->expires_ns - clock_.wall_ns());
    j.due[deadline::signature] = clock_.now() + std::max(left, nanoseconds(1));
}

void job_engine::signature_over(const job_ptr& j, job_lock& lock) {
    ending how;
    how.state = job_state::expired;
    how.why = {failure_class::unschedulable, "signature_expired",
               sdk::concat("its signature was good until ", j->spec->signature->expires, "; it ",
                           j->reason.empty() ? std::string("waited for a place") : std::string(j->reason.text()))};
    finish(j, lock, std::move(how), {});
}

}  // namespace sigrun

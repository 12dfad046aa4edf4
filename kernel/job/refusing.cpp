// Runners that do not run a job for its signature. The same offer would get the same answer, so they are left out for a while, and
// longer each time, also if nobody else could run it: then the job waits, and says why. Where each of them says that it never will,
// it ends.
#include "kernel/job/engine.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>

namespace sigrun {
namespace {

// A key may be added on the runner, and then its facts say so; but a refusal may have causes that no fact tells.
constexpr std::chrono::seconds k_left_out{10};
constexpr std::chrono::minutes k_longest_left_out{10};
constexpr std::size_t k_most_refusers = 256;

}  // namespace

nanoseconds left_out_for(std::uint32_t times) noexcept {
    return std::min<nanoseconds>(k_left_out * (1u << std::min(std::max(times, 1u) - 1, 6u)), k_longest_left_out);
}

// Under the job's lock, as all of these.
void job_engine::note_refuser(job& j, const member_ptr& where, const failure& why, bool for_good) const {
    if (!where || why.code != k_signature_refusal) return;
    auto& all = j.refusers.make();
    std::uint32_t times = 1;
    const auto known = std::find_if(all.begin(), all.end(), [&](const refuser& each) { return each.where == where; });
    if (known != all.end()) {
        times += known->times;
        all.erase(known);
    }
    if (all.size() == k_most_refusers) all.erase(all.begin());
    all.push_back({where, clock_.now() + left_out_for(times), why.message, times, for_good});
}

// Those that may be asked again stay known for as long as they had been left out at most: they would be left out for longer.
void job_engine::forget_refusers(job& j) const {
    if (j.refusers->empty()) return;
    const auto before = clock_.now() - k_longest_left_out;
    std::erase_if(j.refusers.make(), [&](const refuser& each) { return !each.for_good && each.until <= before; });
}

std::vector<std::uint32_t> job_engine::slots_that_refuse(const job& j) const {
    std::vector<member_ptr> who;
    for (const auto& each : *j.refusers)
        if (each.for_good || each.until > clock_.now()) who.push_back(each.where);
    return who.empty() ? std::vector<std::uint32_t>() : slots_of(std::move(who), false);
}

// Each runner that matches has refused it for good: nothing is left to wait for.
bool job_engine::refused_for_good(const job& j, ending& how) const {
    std::vector<member_ptr> who;
    for (const auto& each : *j.refusers)
        if (each.for_good) who.push_back(each.where);
    if (who.empty()) return false;
    const auto slots = slots_of(std::move(who), false);
    if (slots.empty() || could_run_but_on(j, slots)) return false;
    const auto last =
        std::find_if(j.refusers->rbegin(), j.refusers->rend(), [](const refuser& r) { return r.for_good; });
    how.state = job_state::failed;
    how.why = {failure_class::refused, std::string(k_signature_refusal),
               sdk::concat("every runner that matches refuses its signature for good, at last ",
                           last->where->info->identity.name, ": ", last->why)};
    return true;
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

// An attempt goes on over another protocol of its runner; what it went over is kept with it.
#include "kernel/job/engine.hpp"
#include "kernel/job/job_json.hpp"
#include "kernel/log/loggers.hpp"

namespace sigrun {
namespace {

constexpr std::size_t k_max_steps = 64;

}  // namespace

// Under the job's lock.
void job_engine::goes_over(attempt& a, const link_ptr& via, std::string_view why) {
    a.via = via;
    a.rung = fleet_.protocol_of(via->protocol_name());
    if (a.protocol == via->protocol_name()) return;
    if (a.steps.empty()) a.steps.push_back({a.protocol, std::string(rung_reason(a)), a.offered_ns});
    if (a.steps.size() >= k_max_steps) {
        // The first and the latest are what one looks for.
        a.steps.erase(a.steps.begin() + k_max_steps / 2);
        ++a.more_steps;
    }
    a.protocol = via->protocol_name();
    a.steps.push_back({a.protocol, std::string(why.empty() ? "the runner came over it" : why), clock_.wall_ns()});
}

// The offer was not answered in time. Where the runner has another protocol it is sent there, with the same token: a runner
// that has it already only answers. False: there is none, or it was tried before.
bool job_engine::reroute(const job_ptr& j, job_lock& lock) {
    attempt& a = *j->live();
    const auto number = a.number;
    const auto protocol = a.rung;
    const link_ptr before = a.via;
    const member_ptr where = a.where;
    if (!where) return false;
    auto request = request_for(*j);
    request.not_over = before.get();
    const bool again = !a.foreign && !a.rerouted && !j->cancelling;
    const std::string why = a.protocol + " did not answer an offer";
    if (again) j->due[deadline::offer] = clock_.now() + fleet_.fallback_timeout();
    lock.unlock();
    // It may end that very link, and with it the binding of this attempt.
    if (before && before->alive()) fleet_.note_failure(where, protocol, "an offer was not answered");
    if (!again) return false;
    const auto other = fleet_.choose(where, request);
    lock.lock();
    attempt* now = j->live();
    if (!now || now->number != number || j->state != job_state::offered || j->settling) {
        lock.unlock();
        return true;
    }
    if (!other.via || (before && other.protocol == protocol)) {
        lock.unlock();
        return false;
    }
    SIGRUN_LOG(logs::jobs, debug, "the offer of ", j->uid.text(), " goes over ", other.via->protocol_name(), ": ", why);
    now->rerouted = true;
    goes_over(*now, other.via, why);
    arm(*j);
    lock.unlock();
    send_offer(j, number);
    return true;
}

}  // namespace sigrun

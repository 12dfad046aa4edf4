// What selection learns from jobs: how they ended, and that they take long.
#include "kernel/job/engine.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>
#include <array>
#include <cmath>

namespace sigrun {
namespace {

constexpr nanoseconds k_first_doubt = std::chrono::milliseconds(20);  // younger jobs are not worth a timer

/// Nothing, where the end says nothing of the runner.
std::optional<outcome_status> status_of(const ending& how) {
    if (how.state == job_state::succeeded) return outcome_status::succeeded;
    if (how.state != job_state::failed) return std::nullopt;
    switch (how.why.cls) {
        case failure_class::user:
        case failure_class::user_timeout:
        case failure_class::resource: return outcome_status::failed_by_user;
        case failure_class::infra_runner: return outcome_status::failed_by_infrastructure;
        default: return std::nullopt;
    }
}

double rounded(double share) { return std::round(share * 1000) / 1000; }
/// Figures as fields that begin with `name`; none where nothing is known.
std::string figures(std::string_view name, const policy_figures& f) {
    if (!f.jobs) return {};
    return sdk::concat(",\"", name, "_jobs\":", f.jobs, ",\"", name, "_mean\":", rounded(f.mean), ",\"", name,
                       "_p99\":", rounded(f.p99));
}
double microseconds(std::int64_t ns) { return static_cast<double>(std::max<std::int64_t>(ns, 0)) * 1e-3; }

}  // namespace

void job_engine::learn(const job& j, const attempt& a, const ending& how) {
    if (!a.where) return;
    const auto status = status_of(how);
    if (!status) return;
    job_feedback f;
    f.slot = a.place;
    f.pred = j.spec->pred.get();
    f.protocol = a.rung;
    // A copy begins late because the job ran, not because it waited.
    if (!a.hedge) f.queued_us = static_cast<std::uint64_t>(microseconds(a.offered_ns - j.submitted_ns));
    f.affinity_key = j.affinity_key;
    f.bytes = j.payload.view().size();
    f.end.status = *status;
    // Without a word that it began, it did so when the offer arrived.
    const std::int64_t arrived = a.offered_ns + a.rung_latency_ns;
    const std::int64_t began = a.started_ns ? a.started_ns : arrived;
    f.end.wait_us = microseconds(began - arrived);
    f.end.rtt_us = microseconds(a.rung_latency_ns);
    f.end.exec_us = microseconds(a.finished_ns - began);
    select_.feedback(f, a.explain.policy);
}

void job_engine::doubt(job& j, const attempt& a) {
    const double mean_us = select_.standing(*j.spec->pred).mean_exec_us;
    if (mean_us <= 0 || !a.where) return;
    const double slower = std::max(select_.standing(a.place).relative_time, 1.0);
    const nanoseconds age(static_cast<std::int64_t>(4e3 * mean_us * slower));
    j.doubt_after = std::max(age, k_first_doubt);
    j.due[deadline::doubt] = clock_.now() + j.doubt_after;
}

/// It takes longer than any usual job: its runner is thought to be slow before it ends.
void job_engine::doubt_now(job& j, const attempt& a) {
    select_.straggler(a.place, *j.spec->pred, j.doubt_after);
    j.due[deadline::doubt] = clock_.now() + j.doubt_after;
    j.doubt_after *= 2;
}

void job_engine::watch_runners() {
    for (const ejection& e : select_.tick()) {
        const member_ptr who = fleet_.at(e.slot);
        if (!who) continue;
        std::string detail = sdk::concat("\"name\":", json::serialize(json::value(who->info->identity.name)));
        if (e.out) {
            constexpr std::array<std::string_view, 3> k_causes{"failures in a row", "success rate", "failed on trial"};
            detail += sdk::concat(",\"reason\":\"", k_causes[static_cast<std::size_t>(e.why)], "\",\"lasts\":\"",
                                  format_duration(e.lasts), "\",\"success\":", rounded(e.success),
                                  ",\"others\":", rounded(e.others));
        }
        events_.publish(e.out ? event_type::runner_ejected : event_type::runner_on_trial, who->info->uid(), {},
                        std::move(detail));
    }
    for (const balancer_suspension& b : select_.look_at_balancers()) {
        constexpr std::array<std::string_view, 3> k_causes{"", "slow", "useless proposals"};
        std::string detail = sdk::concat("\"name\":", json::serialize(json::value(b.name)));
        if (b.why != misconduct::none)
            detail += sdk::concat(",\"reason\":\"", k_causes[static_cast<std::size_t>(b.why)], "\"");
        events_.publish(b.why == misconduct::none ? event_type::balancer_restored : event_type::balancer_suspended, {},
                        {}, std::move(detail));
    }
    for (const policy_switch& s : select_.policy_switches()) {
        constexpr std::array<std::string_view, 4> k_reasons{"prior", "evidence", "rollback", "lost"};
        const auto text = [](const std::string& t) { return json::serialize(json::value(t)); };
        events_.publish(event_type::balancer_switched, {}, {},
                        sdk::concat("\"requires\":", text(s.requirement), ",\"from\":", text(s.from), ",\"to\":",
                                    text(s.to), ",\"reason\":\"", k_reasons[static_cast<std::size_t>(s.why)], "\"",
                                    figures("from", s.of_from), figures("to", s.of_to)));
    }
}

}  // namespace sigrun

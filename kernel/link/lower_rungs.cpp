// Runners that work over a lower protocol than they could, since a better one broke: told once per runner, and once more when it
// is most of a fleet.
#include "kernel/base/json.hpp"
#include "kernel/link/fleet.hpp"
#include "kernel/log/loggers.hpp"

#include <algorithm>

namespace sigrun {
namespace {

constexpr std::chrono::seconds k_loss_patience{10};  // it may be back at once
constexpr std::chrono::hours k_memory{1};            // then that protocol is no longer one of the runner's
constexpr std::size_t k_fleet = 3;                   // at least so many runners
constexpr double k_share = 0.2, k_share_again = 0.1;

void publish(registry& runners, const char* level, event_type type, id who, json::object detail) {
    detail["scope"] = level;
    const auto text = json::serialize(detail);
    runners.events().publish(type, who, {}, text.substr(1, text.size() - 2));
}

}  // namespace

// The protocol that the rules would put first if all worked that the runner lost of late; 0xff: it is in use, or could be.
// Under the member's lock.
std::uint8_t fleet::missed_rung(const member& m, const rung_rules& rules, time_point now) {
    const auto& board = m.rungs;
    if (board.rung == 0xff || board.wanted == board.rung) return 0xff;
    std::array<rung_view, k_max_rungs> views;
    std::size_t n = 0;
    bool any_lost = false;
    for (std::uint8_t p = 0; p < k_max_protocols && n < views.size(); ++p) {
        const auto* record = board.find(p);
        if (!record || record->up_since == time_point{}) continue;
        const bool lost = record->gone_since != time_point{} && now - record->gone_since < k_memory;
        if (record->gone_since != time_point{} && !lost) continue;
        any_lost = any_lost || (lost && now - record->gone_since >= k_loss_patience);
        const auto seen = record->evidence.snapshot();
        // What broke says nothing of how good it is when it works.
        views[n++] = {p, seen.latency, lost ? 1.0 : seen.success, seen.bytes_per_s, seen.samples, false};
    }
    if (!any_lost) return 0xff;
    const auto order = rank_rungs(rules, {views.data(), n}, false, false, board.current[0], now);
    const auto best = order.protocol[0];
    const auto* record = board.find(best);
    const bool is_missed =
        best != board.rung && record->gone_since != time_point{} && now - record->gone_since >= k_loss_patience;
    return is_missed ? best : 0xff;
}

// Each second, of a runner that is linked.
void fleet::note_lower_rung(const member_ptr& m, const rung_rules& rules, time_point now) {
    std::uint8_t before = 0xff, missed = 0xff, rung = 0xff;
    std::string why;
    {
        std::lock_guard lock(m->mutex);
        missed = missed_rung(*m, rules, now);
        rung = m->rungs.rung;
        before = std::exchange(m->missed, missed);
        if (missed != 0xff) why = m->rungs.find(missed)->last_failure;
    }
    if (missed == before) return;
    const std::string in_use(protocol_name(rung));
    if (missed == 0xff)
        return publish(runners_, "runner", event_type::protocol_restored, m->info->uid(),
                       {{"name", m->info->identity.name}, {"protocol", in_use}});
    const std::string better(protocol_name(missed));
    SIGRUN_LOG(logs::fleet, warning, "runner ", m->info->identity.name, " works over ", in_use, ", ", better,
               " is missed: ", why);
    publish(runners_, "runner", event_type::protocol_degraded, m->info->uid(),
            {{"name", m->info->identity.name}, {"protocol", in_use}, {"missed", better}, {"reason", why}});
}

// [ctl] Each second, after the runners.
void fleet::note_lower_fleet(std::size_t linked, const std::map<std::uint8_t, std::size_t>& missed) {
    std::size_t lower = 0;
    for (const auto& [protocol, runners] : missed) lower += runners;
    numbers_
        .get_gauge("sigrun_runners_on_lower_protocol",
                   "Runners that work over another protocol than they would if it had not broken.")
        .set(static_cast<double>(lower));
    const auto share = linked ? static_cast<double>(lower) / static_cast<double>(linked) : 0;
    const bool now = lower >= k_fleet && share >= (fleet_lower_ ? k_share_again : k_share);
    if (now == fleet_lower_) return;
    fleet_lower_ = now;
    json::object per_protocol;
    for (const auto& [protocol, runners] : missed) per_protocol[protocol_name(protocol)] = runners;
    if (now)
        SIGRUN_LOG(logs::fleet, warning, lower, " of ", linked, " runners work over a lower protocol than they could");
    publish(runners_, "fleet", now ? event_type::protocol_degraded : event_type::protocol_restored, {},
            {{"runners", lower}, {"of", linked}, {"missed", std::move(per_protocol)}});
}

}  // namespace sigrun

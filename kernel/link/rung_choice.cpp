// Which protocol of a runner is used. The order is made when something has changed: a link came or went, a round trip was
// measured, a breaker moved, the rules were changed. A job takes the first rung of it that suits.
#include "kernel/base/json.hpp"
#include "kernel/link/endpoint_uri.hpp"
#include "kernel/link/fleet.hpp"
#include "kernel/log/loggers.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>
#include <cstdio>

namespace sigrun {
namespace {

constexpr std::chrono::milliseconds k_late{250};    // of a beat
constexpr std::chrono::milliseconds k_answer{700};  // to a ping, of a rung that is late
constexpr std::chrono::seconds k_settling{2};       // a runner's first links come one after another: no change of rung

std::string_view label_of(std::string_view reason) {
    // Of a bounded set, for the metric.
    if (reason.find("was lost") != std::string_view::npos) return "lost";
    if (reason.find("suspect") != std::string_view::npos) return "suspect";
    if (reason.find("operator") != std::string_view::npos) return "operator";
    if (reason.find("breaker") != std::string_view::npos) return "breaker";
    if (reason.find("came") != std::string_view::npos || reason.find("is back") != std::string_view::npos)
        return "returned";
    if (reason.find("configuration") != std::string_view::npos) return "configuration";
    return "evidence";
}

std::string with_scores(const rung_order& order) {
    char text[80];
    std::snprintf(text, sizeof text, "better by measurement: score %.2f against %.2f",
                  static_cast<double>(order.score[0]), static_cast<double>(order.score[1]));
    return text;
}

}  // namespace

void fleet::fill_rules(fleet_tuning& how) {
    auto& rules = how.rungs;
    rules.first = 0xff;
    bool first_urgent = false;
    for (const auto& each : rung_strategies()) {
        if (each.name != rules.strategy) continue;
        if (!each.first.empty()) rules.first = protocol_of(each.first);
        first_urgent = !each.first.empty() && each.first == prior_ladder(true).front();
    }
    auto ladder = [&](bool urgent) {
        std::vector<std::uint8_t> ids;
        for (const auto& name : prior_ladder(urgent))
            if (auto at = protocol_of(name); at != 0xff) ids.push_back(at);
        return ids;
    };
    rules.urgent = ladder(rules.first == 0xff || first_urgent);
    rules.relaxed = ladder(first_urgent);
    rules.rotate = rules.strategy == "round_robin";
    rules.preferred = how.preferred_protocol.empty() ? std::uint8_t{0xff} : protocol_of(how.preferred_protocol);
    rules.protocol_weights = {};
    for (std::size_t i = 0; i < protocols_.size() && i < k_max_protocols; ++i) {
        const std::string name(protocols_.name(i));
        auto own = how.protocol_weights.find(name);
        rules.protocol_weights[i] = own == how.protocol_weights.end() ? default_protocol_weight(name) : own->second;
    }
}

// Whether its operator, or the runner itself, said which protocol is to be used.
bool fleet::names_protocol(const member_ptr& m) const {
    std::lock_guard lock(m->info->mutex);
    return m->info->identity.endpoint.empty() || endpoint_names_protocol(m->info->identity.endpoint);
}

std::string fleet::switch_reason(const member_ptr& m) {
    std::lock_guard lock(m->mutex);
    return m->rungs.last_switch.reason;
}

void fleet::rerank(const member_ptr& m, const std::string& why) {
    const auto how = tuned();
    const auto& rules = how->rungs;
    const auto now = clock_.now();
    rung_board::rung_switch told;
    bool changed = false;
    {
        std::lock_guard lock(m->mutex);
        auto& board = m->rungs;
        std::array<rung_view, k_max_rungs> views;
        std::size_t n = 0;
        // Those in trouble count only when there is no other.
        for (const bool any : {false, true}) {
            for (const auto& s : m->sessions) {
                if (n == views.size() || !s.via->alive() || s.protocol >= k_max_protocols) continue;
                auto& record = board.at(s.protocol);
                if (!any && (s.suspect || !record.gate.usable(now))) continue;
                const auto seen = record.evidence.snapshot();
                views[n++] = {s.protocol,       seen.latency, seen.success,
                              seen.bytes_per_s, seen.samples, board.held(s.protocol, rules, now)};
            }
            if (n) break;
        }
        if (board.wanted != 0xff &&
            std::none_of(views.begin(), views.begin() + static_cast<std::ptrdiff_t>(n),
                         [&](const rung_view& v) { return v.protocol == board.wanted; }) &&
            n > 0)
            board.wanted = 0xff;  // it broke: the choice is ours again
        board.rotate = rules.rotate;
        board.preferred_bias = rules.preferred_bias;
        for (const bool urgent : {false, true}) {
            for (const bool bulky : {false, true}) {
                const auto v = rung_board::variant(urgent, bulky);
                auto& order = board.orders[v];
                order = rank_rungs(rules, {views.data(), n}, urgent, bulky, board.current[v], now);
                for (std::uint8_t i = 1; i < order.size; ++i) {
                    if (order.protocol[i] != board.wanted) continue;
                    std::rotate(order.protocol.begin(), order.protocol.begin() + i, order.protocol.begin() + i + 1);
                    std::rotate(order.score.begin(), order.score.begin() + i, order.score.begin() + i + 1);
                }
                if (order.size && order.protocol[0] == board.wanted) order.why = rung_why::operators;
                if (order.size && order.protocol[0] != board.current[v].protocol)
                    board.current[v] = {order.protocol[0], now};
            }
        }
        const auto& order = board.orders[0];
        if (order.size && order.protocol[0] != board.rung) {
            const auto from = std::exchange(board.rung, order.protocol[0]);
            std::string reason = std::exchange(board.next_reason, {});
            const auto* before = board.find(from);
            const bool from_stands = std::any_of(m->sessions.begin(), m->sessions.end(), [&](const session& s) {
                return s.protocol == from && s.via->alive();
            });
            const bool asked = !reason.empty();
            if (reason.empty())
                reason = order.why == rung_why::score ? with_scores(order)
                         : !from_stands && before && !before->last_failure.empty()
                             ? sdk::concat(protocol_name(from), " was lost: ", before->last_failure)
                         : from_stands ? sdk::concat(protocol_name(board.rung), " is back, and better by the rules")
                                       : why;
            changed = from != 0xff && (asked || !from_stands || !before || now - before->up_since > k_settling);
            if (changed) {
                board.last_switch = {from, board.rung, reason, clock_.wall_ns()};
                ++board.switches;
                board.moves = !from_stands || asked          ? rung_board::follow::nothing
                              : order.why == rung_why::score ? rung_board::follow::when_degraded
                                                             : rung_board::follow::after_dwell;
                if (auto* r = board.find(from)) r->bad_windows = 0;  // counted from here on
                told = board.last_switch;
            }
        }
    }
    if (!changed) return;
    const std::string from(protocol_name(told.from)), to(protocol_name(told.to));
    SIGRUN_LOG(logs::fleet, info, "runner ", m->info->identity.name, " goes from ", from, " to ", to, ": ",
               told.reason);
    numbers_
        .get_counter("sigrun_rung_switch_total", "Changes of the protocol that a runner's work uses.",
                     {{"from", from}, {"to", to}, {"reason", std::string(label_of(told.reason))}})
        .add();
    auto detail = json::serialize(
        json::object{{"name", m->info->identity.name}, {"from", from}, {"to", to}, {"reason", told.reason}});
    runners_.events().publish(event_type::protocol_migrated, m->info->uid(), {}, detail.substr(1, detail.size() - 2));
}

chosen_link fleet::choose(const member_ptr& m, const rung_request& r) const {
    const protocol_mask allowed = r.allowed & k_auto_protocol ? protocol_mask{0xffff} : r.allowed;
    std::lock_guard lock(m->mutex);
    auto& board = m->rungs;
    const auto& order = board.orders[rung_board::variant(r.urgent, r.bulky)];
    chosen_link best;
    std::array<const session*, k_max_rungs> fit{};
    std::array<std::uint8_t, k_max_rungs> place{};
    std::uint8_t n = 0;
    for (std::uint8_t i = 0; i < order.size; ++i) {
        if (!(allowed & protocol_bit(order.protocol[i]))) continue;
        for (const auto& s : m->sessions) {
            if (s.protocol != order.protocol[i] || s.via.get() == r.not_over || !s.via->alive()) continue;
            if (r.max_latency.count() && s.latency_ns > r.max_latency.count()) {
                ++best.too_slow;
                continue;
            }
            place[n] = i;
            fit[n++] = &s;
        }
    }
    best.usable = n;
    if (!n) {
        // A link of a moment ago that is not in the order yet.
        for (const auto& s : m->sessions) {
            const bool ranked = std::find(order.protocol.begin(), order.protocol.begin() + order.size, s.protocol) !=
                                order.protocol.begin() + order.size;
            if (ranked || s.suspect || s.via.get() == r.not_over || !(allowed & protocol_bit(s.protocol)) ||
                !s.via->alive())
                continue;
            if (const auto* known = board.find(s.protocol); known && !known->gate.usable(clock_.now())) continue;
            best.via = s.via;
            best.protocol = s.protocol;
            best.latency_ns = s.latency_ns;
            best.usable = 1;
            best.why = r.named ? rung_why::named : rung_why::only;
            return best;
        }
        return best;
    }
    std::uint8_t taken = 0;
    best.why = n == 1 ? rung_why::only : order.why;
    if (place[0] != 0) best.why = rung_why::other_masked;
    if (board.rotate && n > 1 && board.wanted == 0xff) {
        taken = static_cast<std::uint8_t>(board.turn++ % n);
        best.why = rung_why::rotation;
    }
    if (r.preferred != 0xff) {
        best.wish = chosen_link::wish_t::unusable;
        for (std::uint8_t i = 0; i < n; ++i) {
            const auto mine = order.score[place[i]], first = order.score[place[0]];
            if (fit[i]->protocol == r.preferred) best.wish = chosen_link::wish_t::worse;
            const bool close =
                mine == 0 || first == 0 || mine * (1 + board.preferred_bias) >= static_cast<double>(first);
            if (fit[i]->protocol != r.preferred || !close) continue;
            taken = i;
            best.why = n == 1 ? rung_why::only : rung_why::preferred;
            best.wish = chosen_link::wish_t::granted;
        }
    }
    if (r.named) best.why = rung_why::named;
    const auto& s = *fit[taken];
    best.via = s.via;
    best.protocol = s.protocol;
    best.latency_ns = s.latency_ns;
    best.score = order.score[place[taken]];
    for (std::uint8_t i = 0; i < n; ++i)
        if (i != taken) best.next_score = std::max(best.next_score, order.score[place[i]]);
    return best;
}

void fleet::note_failure(const member_ptr& m, std::uint8_t protocol, const std::string& why) {
    link_ptr over;
    const auto now = clock_.now();
    {
        std::lock_guard lock(m->mutex);
        auto& record = m->rungs.at(protocol);
        record.evidence.failed();
        record.last_failure = why;
        record.gate.failed(now);
        if (record.gate.usable(now)) return;
        for (const auto& s : m->sessions)
            if (s.protocol == protocol) over = s.via;
    }
    if (!over) return;
    // What stands but does not carry is worth nothing; the next connection is the trial.
    over->close(SIGRUN_E_IO);  // first: what is bound to a link that was dropped must find it closed
    drop_session(m, over, "its breaker opened: " + why);
}

// No frame for two beats; or none for one, nor an answer to a ping, while another rung answers one of the same moment: then it is
// not the runner that is busy. Under the member's lock.
bool fleet::is_silent(member& m, session& s, time_point now, std::vector<link_ptr>& to_probe) const {
    const auto quiet = now - s.last_frame;
    if (quiet > 2 * options_.beat_period + std::chrono::milliseconds(500)) return true;
    if (m.sessions.size() < 2 || quiet <= options_.beat_period + k_late) {
        s.probed = {};
        return false;
    }
    if (s.probed == time_point{}) {
        s.probed = now;
        for (const auto& each : m.sessions) to_probe.push_back(each.via);
        return false;
    }
    return now - s.probed >= k_answer && s.answered < s.probed &&
           std::any_of(m.sessions.begin(), m.sessions.end(),
                       [&](const session& other) { return other.via != s.via && other.answered > s.probed; });
}

// Each second.
void fleet::care_for_rungs(const member_ptr& m, time_point now) {
    const auto how = tuned();
    bool again = false, move = false;
    std::string why;
    std::vector<link_ptr> to_probe;
    {
        std::lock_guard lock(m->mutex);
        if (m->sessions.empty()) return;
        const bool several = m->sessions.size() > 1;
        for (auto& s : m->sessions) {
            if (s.protocol >= k_max_protocols) continue;
            auto& record = m->rungs.at(s.protocol);
            record.evidence.fold(now, how->load_window);
            if (record.history.due(now, how->metrics_interval)) {
                const auto seen = record.evidence.snapshot();
                record.history.add(clock_.wall_ns(), seen.success, seen.bytes_per_s, how->history_retention);
            }
            // It carries, and has for a while: what failed before is over.
            if (record.gate.failures() && now - record.up_since > breaker::k_span &&
                now - s.last_frame < options_.beat_period)
                record.gate.worked();
            if (m->info->foreign) continue;
            const bool silent = is_silent(*m, s, now, to_probe);
            if (silent == s.suspect) continue;
            s.suspect = silent;
            again = true;
            if (silent && several && s.protocol == m->rungs.rung) {
                why = s.via->protocol_name() + (now - s.last_frame > 2 * options_.beat_period
                                                    ? " is suspect: no beat came twice in a row"
                                                    : " is suspect: it is silent, and others answer");
                m->rungs.next_reason = why;
                move = true;
            }
        }
        again = again || several;
    }
    for (const auto& via : to_probe) ping(m, via);
    if (again) rerank(m, "the evidence changed");
    {
        std::lock_guard lock(m->mutex);
        if (!why.empty()) m->rungs.next_reason.clear();
    }
    if (m->info->foreign) return;
    note_lower_rung(m, how->rungs, now);
    if (!how->migration) return;
    if (move) return gather(m, why);
    compare_windows(m, *how, now);
    {
        std::lock_guard lock(m->mutex);
        auto& board = m->rungs;
        if (!board.work_is_to_follow() || now - board.moved_at < how->link_dwell) return;
        why = board.last_switch.reason;
    }
    gather(m, why);
}

void fleet::compare_windows(const member_ptr& m, const fleet_tuning& how, time_point now) {
    std::lock_guard lock(m->mutex);
    auto& board = m->rungs;
    if (now - board.window_began < how.monitoring_interval) return;
    board.window_began = now;
    board.end_window(how.rungs.threshold);
}

}  // namespace sigrun

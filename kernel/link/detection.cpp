// What an endpoint speaks. Every protocol that can look there does so in a lane of its own: the best first, each of the others
// 30 ms later, or as soon as those before have answered. A lane that finds its protocol has its link opened at once; the
// others go on, so that all of them are known.
#include "kernel/link/detection.hpp"

#include "kernel/base/json.hpp"
#include "kernel/link/due_queue.hpp"
#include "kernel/link/endpoint_uri.hpp"
#include "kernel/log/log.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>

namespace sigrun {
namespace {

constexpr std::chrono::milliseconds k_apart{30};
constexpr std::chrono::milliseconds k_whole{1'200};  // of one look, as long as the endpoint is not far away
constexpr std::chrono::milliseconds k_longest_lane{4'800};
constexpr std::chrono::milliseconds k_close{10};  // to the deadline: nobody answered
constexpr std::size_t k_rounds = 128;             // at a time; four protocols each make 512 connections

std::string uri_over(const std::string& endpoint, const instance& protocol) {
    return endpoint_over(endpoint, sdk::view(protocol.table<sigrun_protocol>(SIGRUN_KIND_PROTOCOL)->schemes));
}

}  // namespace

// The lanes of a look, best first.
void fleet::fill_lanes(const member_ptr& m, detection_round& round, bool missing_only) {
    const auto how = tuned();
    auto& lanes = round.lanes;
    if (round.pinned) {
        if (auto i = protocol_for_uri(host_, round.endpoint)) {
            std::string name(sdk::view((*i)->table<sigrun_protocol>(SIGRUN_KIND_PROTOCOL)->name));
            lanes.push_back({*i, name, round.endpoint, protocol_id(name)});
        }
    } else {
        for (const auto& i : host_.instances(SIGRUN_KIND_PROTOCOL)) {
            const auto* table = i->table<sigrun_protocol>(SIGRUN_KIND_PROTOCOL);
            if (!table || !table->dial || !SIGRUN_HAS(table->dial, detect) || !table->link) continue;
            auto name = sdk::view(table->name);
            if (!round.profile.empty() && name != "http") continue;
            const auto& off = how->disabled_detection;
            if (std::find(off.begin(), off.end(), name) != off.end()) continue;
            const auto known_as = protocol_id(name);
            if ((round.up & protocol_bit(known_as)) || (missing_only && round.up && !may_dial(m, known_as))) continue;
            auto uri = uri_over(round.endpoint, *i);
            if (!uri.empty()) lanes.push_back({i, std::string(name), std::move(uri), known_as});
        }
        auto place = [&rules = how->rungs](std::uint8_t protocol) {
            if (protocol == rules.first) return std::ptrdiff_t{-1};
            return std::find(rules.urgent.begin(), rules.urgent.end(), protocol) - rules.urgent.begin();
        };
        std::stable_sort(lanes.begin(), lanes.end(), [&](const detection_lane& a, const detection_lane& b) {
            return place(a.protocol) < place(b.protocol);
        });
    }
    nanoseconds longest = k_whole;
    std::lock_guard lock(m->mutex);
    for (auto& lane : lanes) {
        lane.limit = missing_only ? m->rungs.at(lane.protocol).patience : nanoseconds(k_whole);
        lane.fresh = round.fresh || m->rungs.at(lane.protocol).vain_looks > 0;
        longest = std::max(longest, lane.limit);
    }
    round.ends = round.parallel ? std::min(longest, how->detection_timeout) : how->detection_timeout;
}

void fleet::detect_protocols(const member_ptr& m, bool fresh, bool missing_only, std::function<void()> done) {
    auto round = std::make_shared<detection_round>();
    round->done = std::move(done);
    round->fresh = fresh;
    round->parallel = tuned()->parallel_detection;
    {
        std::lock_guard lock(m->info->mutex);
        round->endpoint = m->info->identity.endpoint;
        round->profile = m->info->identity.profile;
        round->options = m->info->identity.options;
    }
    round->pinned = endpoint_names_protocol(round->endpoint);
    if (missing_only) {
        std::lock_guard lock(m->mutex);
        for (const auto& s : m->sessions)
            if (s.via->alive() && s.endpoint == round->endpoint) round->up |= protocol_bit(s.protocol);
    }
    fill_lanes(m, *round, missing_only);
    if (round->lanes.empty()) {
        {
            std::lock_guard lock(m->mutex);
            m->dialling = false;
        }
        if (!round->up) dial_failed(m, "no loaded protocol can reach " + round->endpoint);
        return round->done();
    }
    {
        std::lock_guard lock(looks_->mutex);
        if (looks_->running >= k_rounds) {
            looks_->waiting.emplace_back(m, round);
            return;
        }
        ++looks_->running;
    }
    begin_round(m, round);
}

void fleet::begin_round(const member_ptr& m, const detection_round_ptr& round) {
    round->ends_at = clock_.now() + round->ends;
    begin_lane(m, round, 0);
}

// The lane `index`, if it has not begun yet; the next one follows it.
void fleet::begin_lane(const member_ptr& m, const detection_round_ptr& round, std::size_t index) {
    {
        std::lock_guard lock(round->mutex);
        if (round->begun != index || index == round->lanes.size()) return;
        ++round->begun;
    }
    run_lane(m, round, index);
    if (!round->parallel || index + 1 == round->lanes.size()) return;
    looks_->later->at(clock_.now() + k_apart, [weak = weak_from_this(), m, round, index] {
        if (auto me = weak.lock()) me->begin_lane(m, round, index + 1);
    });
}

void fleet::run_lane(const member_ptr& m, const detection_round_ptr& round, std::size_t index) {
    const auto& lane = round->lanes[index];
    const auto until = std::min(clock_.now() + lane.limit, round->ends_at);
    auto self = shared_from_this();
    auto run = [self, lane, round, until](auto answer) {
        const auto* table = lane.plugin->template table<sigrun_protocol>(SIGRUN_KIND_PROTOCOL);
        sigrun_endpoint target{sizeof(sigrun_endpoint),  0, sdk::str(lane.uri), sdk::str(round->profile),
                               sdk::str(round->options), 0};
        const auto deadline = static_cast<std::uint64_t>(until.time_since_epoch().count());
        self->host_.call_async(
            *lane.plugin, [&](sigrun_op op) { return table->dial->detect(lane.plugin->abi(), &target, deadline, op); },
            [answer](result<buffer_ref> r) {
                if (!r) return answer(r.error());
                auto o = parse_object(r->view());
                if (!o) return answer(o.error());
                // Remembered as a failure, so that it is looked at again soon: what is not there may come.
                if (!bool_or(*o, "supported", false))
                    return answer(make_problem(bool_or(*o, "reached", true) ? errc::unsupported : errc::unavailable,
                                               std::string(text_or(*o, "evidence", "no answer"))));
                answer(std::make_shared<const json::object>(std::move(*o)));
            });
    };
    detections_.get(
        lane.uri + "|" + round->profile, run,
        [self, m, round, index, until](const result<std::shared_ptr<const json::object>>& r) {
            const rundown::pass in(self->answers_);
            if (!in) return;
            using enum lane_end;
            const bool late = !r && self->clock_.now() + k_close >= until;
            self->lane_ended(m, round, index, r,
                             r                                     ? found
                             : late                                ? silent
                             : r.error().code == errc::unsupported ? absent
                                                                   : unreached);
        },
        lane.fresh);
}

void fleet::lane_ended(const member_ptr& m, const detection_round_ptr& round, std::size_t index,
                       const result<std::shared_ptr<const json::object>>& answer, lane_end end) {
    const bool known = end == lane_end::found || end == lane_end::absent;
    const auto& lane = round->lanes[index];
    std::vector<std::string> changed;
    {
        std::lock_guard lock(m->info->mutex);
        auto& seen = m->info->protocols[lane.name];
        changed = answer ? note_detected(seen, lane.name, **answer, clock_.wall_ns())
                         : note_absent(seen, lane.name, answer.error().text(), clock_.wall_ns());
    }
    {
        std::lock_guard lock(m->mutex);
        auto& record = m->rungs.at(lane.protocol);
        if (end == lane_end::silent) record.patience = std::min<nanoseconds>(2 * record.patience, k_longest_lane);
        if (known) record.vain_looks = 0;
    }
    bool next = false, last = false;
    {
        std::lock_guard lock(round->mutex);
        if (!answer) (known ? round->absent : round->unknown).push_back(lane.protocol);
        if (answer) round->found = true;
        round->changed.insert(round->changed.end(), changed.begin(), changed.end());
        ++round->ended;
        last = round->ended == round->lanes.size();
        next = !last && round->ended == round->begun;
        index = round->begun;
    }
    if (answer) open_link(m, lane.plugin, lane.uri, round->endpoint);
    if (last) return round_ended(m, round);
    if (next) begin_lane(m, round, index);
}

void fleet::round_ended(const member_ptr& m, const detection_round_ptr& round) {
    std::pair<member_ptr, detection_round_ptr> other;
    {
        std::lock_guard lock(looks_->mutex);
        if (looks_->waiting.empty()) {
            --looks_->running;
        } else {
            other = std::move(looks_->waiting.front());
            looks_->waiting.pop_front();
        }
    }
    if (other.first) {
        // From the control thread: a row of looks that are answered from the cache is no row of calls.
        looks_->later->at(clock_.now(), [weak = weak_from_this(), other] {
            if (auto me = weak.lock()) me->begin_round(other.first, other.second);
        });
    }
    if (!round->changed.empty()) tell_protocol_change(m, round->changed);
    protocols_changed(m);
    {
        std::lock_guard lock(m->mutex);
        m->dialling = false;
    }
    if (!round->up && !round->found)
        dial_failed(m, "nothing at " + round->endpoint + " speaks a protocol known here");
    else if (!round->pinned)
        not_found(m, *round);
    round->done();
}

void fleet::tell_protocol_change(const member_ptr& m, const std::vector<std::string>& keys) {
    auto detail = json::serialize(
        json::object{{"name", m->info->identity.name}, {"changed", json::array(keys.begin(), keys.end())}});
    runners_.events().publish(event_type::capabilities_updated, m->info->uid(), {},
                              detail.substr(1, detail.size() - 2));
}

// Protocols that the endpoint does not speak now. One that it has spoken before is in trouble; the others may come some day.
void fleet::not_found(const member_ptr& m, const detection_round& round) {
    const auto now = clock_.now();
    const auto how = tuned();
    std::lock_guard lock(m->mutex);
    bool in_trouble = false;
    auto again = [&](time_point when) { m->next_dial = std::min(m->next_dial, when); };
    auto note = [&](std::uint8_t protocol, bool known) {
        auto& record = m->rungs.at(protocol);
        if (record.up_since != time_point{}) {
            record.gate.failed(now);
            record.last_failure = "it is not found at the endpoint";
            in_trouble = true;
            return again(record.gate.usable(now) ? now + std::chrono::seconds(2)
                                                 : std::max(record.gate.next_trial(), now));
        }
        record.gate.given_up(now);
        // It may be that somebody was only busy, or is just starting.
        if (!known && record.vain_looks < how->detection_retries) {
            ++record.vain_looks;
            again(now + how->detection_retry_delay);
        }
    };
    for (const auto protocol : round.absent) note(protocol, true);
    for (const auto protocol : round.unknown) note(protocol, false);
    if (in_trouble || (round.absent.empty() && round.unknown.empty())) return;
    // 1 min, doubled up to 1 h.
    again(now + std::chrono::minutes(std::min(1u << std::min(m->absent_looks++, 6u), 60u)));
}

void fleet::detect(const member_ptr& m, std::function<void(result<void>)> done) {
    std::string endpoint;
    {
        std::lock_guard lock(m->info->mutex);
        endpoint = m->info->identity.endpoint;
    }
    // A native runner answers HELLO with HELLO: its facts, read again.
    std::vector<link_ptr> links;
    {
        std::lock_guard lock(m->mutex);
        for (const auto& s : m->sessions) links.push_back(s.via);
    }
    if (auto via = choose(m, 0xffff).via; via && !m->info->foreign) ask_again(m, via);
    for (const auto& via : links) ping(m, via);
    if (endpoint.empty()) return done({});
    {
        std::lock_guard lock(m->mutex);
        m->dialling = true;
        for (std::uint8_t i = 0; i < k_max_protocols; ++i)
            if (auto* record = m->rungs.find(i)) record->gate.reset();
    }
    detect_protocols(m, true, false, [done] { done({}); });
}

std::string fleet::detection_key(const member_ptr& m, const std::shared_ptr<instance>& protocol) {
    std::lock_guard lock(m->info->mutex);
    const auto& who = m->info->identity;
    return uri_over(who.endpoint, *protocol) + "|" + who.profile;
}

ttl_cache<json::object>::answer_info fleet::detection_age(const runner& r) const {
    std::string endpoint, profile;
    {
        std::lock_guard lock(r.mutex);
        endpoint = r.identity.endpoint;
        profile = r.identity.profile;
    }
    if (endpoint.empty()) return {};
    const bool native = profile.empty();
    return detections_.peek(endpoint_over(endpoint, native ? "valkyrie,valkyrie+tls" : "http,https") + "|" + profile);
}

}  // namespace sigrun

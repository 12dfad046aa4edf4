// Runners with an endpoint: find out which protocols they speak, open a link over each, greet.
#include "kernel/base/json.hpp"
#include "kernel/link/fleet.hpp"
#include "kernel/link/greeting.hpp"
#include "kernel/log/log.hpp"

#include <algorithm>

namespace sigrun {
namespace {

const auto k_log = logger::get("fleet");

std::string first_scheme(const sigrun_protocol& table) {
    auto schemes = sdk::view(table.schemes);
    return std::string(schemes.substr(0, schemes.find(',')));
}

}  // namespace

/// One look at an endpoint over every protocol that may be there.
struct fleet::detection_round {
    std::mutex mutex;
    std::size_t open = 0;
    std::vector<std::pair<std::shared_ptr<instance>, std::string>> lanes;  // protocol, uri
    std::vector<std::pair<std::shared_ptr<instance>, std::string>> found;
    std::vector<std::uint8_t> absent;  // protocol ids
    std::size_t next_lane = 0;
    std::function<void()> done;
};

void fleet::dial_member(const member_ptr& m) {
    {
        std::lock_guard lock(m->mutex);
        if (m->dialling || m->removed || stopping_) return;
        m->dialling = true;
        m->next_dial = time_point::max();  // until a link is lost or a dial fails
    }
    // The waits between dials are their own limit; a remembered failure must not lengthen them.
    bool again = false;
    {
        std::lock_guard lock(m->mutex);
        again = m->dial_failures > 0;
    }
    detect_protocols(m, again, true, [] {});
}

// A rung is looked at when its breaker lets it, which holds for as long as the runner can be reached in another way.
bool fleet::may_dial(const member_ptr& m, std::uint8_t protocol) {
    std::lock_guard lock(m->mutex);
    const auto now = clock_.now();
    const bool others = std::any_of(m->sessions.begin(), m->sessions.end(),
                                    [&](const session& s) { return s.protocol != protocol && s.via->alive(); });
    auto& gate = m->rungs.at(protocol).gate;
    if (gate.admit(now) || !others) return true;
    m->next_dial = std::min(m->next_dial, std::max(gate.next_trial(), now + std::chrono::seconds(1)));
    return false;
}

// Protocols that the endpoint does not speak now. One that it has spoken before is in trouble; the others may come some day.
void fleet::not_found(const member_ptr& m, const std::vector<std::uint8_t>& absent, bool dialling) {
    const auto now = clock_.now();
    std::lock_guard lock(m->mutex);
    m->dialling = dialling;
    bool in_trouble = false;
    for (const auto protocol : absent) {
        auto& record = m->rungs.at(protocol);
        if (record.up_since == time_point{}) {
            record.gate.given_up(now);
            continue;
        }
        record.gate.failed(now);
        record.last_failure = "it is not found at the endpoint";
        in_trouble = true;
        m->next_dial = std::min(m->next_dial, record.gate.usable(now) ? now + std::chrono::seconds(2)
                                                                      : std::max(record.gate.next_trial(), now));
    }
    if (in_trouble || absent.empty()) return;
    // 1 min, doubled up to 1 h.
    m->next_dial =
        std::min(m->next_dial, now + std::chrono::minutes(std::min(1u << std::min(m->absent_looks++, 6u), 60u)));
}

void fleet::detect_protocols(const member_ptr& m, bool fresh, bool missing_only, std::function<void()> done) {
    std::string endpoint, profile, options;
    {
        std::lock_guard lock(m->info->mutex);
        endpoint = m->info->identity.endpoint;
        profile = m->info->identity.profile;
        options = m->info->identity.options;
    }
    auto round = std::make_shared<detection_round>();
    round->done = std::move(done);
    const auto how = tuned();
    const bool pinned = endpoint.find("://") != std::string::npos;
    protocol_mask up = 0;
    {
        std::lock_guard lock(m->mutex);
        for (const auto& s : m->sessions)
            if (missing_only && s.via->alive() && s.endpoint == endpoint) up |= protocol_bit(s.protocol);
    }
    if (pinned) {
        if (auto i = protocol_for_uri(host_, endpoint)) round->lanes.emplace_back(*i, endpoint);
    } else {
        for (const auto& i : host_.instances(SIGRUN_KIND_PROTOCOL)) {
            const auto* table = i->table<sigrun_protocol>(SIGRUN_KIND_PROTOCOL);
            if (!table || !table->dial || !SIGRUN_HAS(table->dial, detect) || !table->link) continue;
            auto name = sdk::view(table->name);
            if (!profile.empty() && name != "http") continue;
            const auto& off = how->disabled_detection;
            if (std::find(off.begin(), off.end(), name) != off.end()) continue;
            const auto known_as = protocol_id(name);
            if ((up & protocol_bit(known_as)) || (missing_only && up && !may_dial(m, known_as))) continue;
            round->lanes.emplace_back(i, first_scheme(*table) + "://" + endpoint);
        }
    }
    if (round->lanes.empty() && up) {
        std::lock_guard lock(m->mutex);
        m->dialling = false;
    }
    if (round->lanes.empty() && up) return round->done();
    if (round->lanes.empty()) {
        dial_failed(m, "no loaded protocol can reach " + endpoint);
        return round->done();
    }
    auto self = shared_from_this();
    auto finish = [self, m, round, endpoint, up, pinned] {
        if (up || !round->found.empty()) {
            if (!pinned) self->not_found(m, round->absent, !round->found.empty());
            for (const auto& [protocol, uri] : round->found) self->open_link(m, protocol, uri, endpoint);
        } else
            self->dial_failed(m, "nothing at " + endpoint + " speaks a protocol known here");
        round->done();
    };
    // Runs lane `index`; with parallel detection all start at once, otherwise the next begins when one ended.
    auto run_lane = std::make_shared<std::function<void(std::size_t)>>();
    const bool parallel = how->parallel_detection;
    *run_lane = [self, m, round, profile, options, fresh, finish, parallel,
                 weak = std::weak_ptr(run_lane)](std::size_t index) {
        auto again = weak.lock();
        auto [protocol, uri] = round->lanes[index];
        std::string name(sdk::view(protocol->table<sigrun_protocol>(SIGRUN_KIND_PROTOCOL)->name));
        auto run = [self, protocol = protocol, uri = uri, profile, options](auto answer) {
            const auto* table = protocol->template table<sigrun_protocol>(SIGRUN_KIND_PROTOCOL);
            sigrun_endpoint target{sizeof(sigrun_endpoint), 0, sdk::str(uri), sdk::str(profile), sdk::str(options), 0};
            // One lane gets 1.2 s, within the bound of the whole detection.
            auto limit = std::min<nanoseconds>(std::chrono::milliseconds(1200), self->tuned()->detection_timeout);
            auto deadline = static_cast<std::uint64_t>((self->clock_.now() + limit).time_since_epoch().count());
            self->host_.call_async(
                *protocol, [&](sigrun_op op) { return table->dial->detect(protocol->abi(), &target, deadline, op); },
                [answer](result<buffer_ref> r) {
                    if (!r) return answer(r.error());
                    auto o = parse_object(r->view());
                    if (!o) return answer(o.error());
                    // Remembered as a failure, so that it is looked at again soon: what is not there may come.
                    if (!bool_or(*o, "supported", false))
                        return answer(
                            make_problem(errc::unavailable, std::string(text_or(*o, "evidence", "no answer"))));
                    answer(std::make_shared<const json::object>(std::move(*o)));
                });
        };
        self->detections_.get(
            uri + "|" + profile, run,
            [self, m, round, name, finish, index, again, parallel](result<std::shared_ptr<const json::object>> r) {
                bool supported = r && bool_or(**r, "supported", false);
                {
                    std::lock_guard lock(m->info->mutex);
                    auto& seen = m->info->protocols[name];
                    // A link that stands is the better evidence.
                    seen.supported = supported || seen.up;
                    if (r) {
                        seen.version = text_or(**r, "version");
                        if (!seen.up) seen.reason = text_or(**r, "evidence");
                        auto us = number_or<double>(**r, "latency_us", 0);
                        if (us > 0 && !seen.samples) seen.latency_ns = static_cast<std::int64_t>(us * 1000);
                    } else if (!seen.up) {
                        seen.reason = r.error().text();
                    }
                }
                std::size_t next = 0;
                bool last = false;
                {
                    std::lock_guard lock(round->mutex);
                    if (supported)
                        round->found.push_back(round->lanes[index]);
                    else
                        round->absent.push_back(self->protocol_id(name));
                    last = --round->open == 0;
                    if (!parallel && round->next_lane < round->lanes.size()) {
                        next = round->next_lane++;
                        ++round->open;
                        last = false;
                    }
                }
                if (next)
                    (*again)(next);
                else if (last)
                    finish();
            },
            fresh);
    };
    std::size_t first_lanes = parallel ? round->lanes.size() : 1;
    round->open = first_lanes;
    round->next_lane = first_lanes;
    for (std::size_t i = 0; i < first_lanes; ++i) (*run_lane)(i);
}

void fleet::open_link(const member_ptr& m, const std::shared_ptr<instance>& protocol, const std::string& uri,
                      const std::string& endpoint) {
    const auto* table = protocol->table<sigrun_protocol>(SIGRUN_KIND_PROTOCOL);
    auto id_of = protocol_id(sdk::view(table->name));
    {
        std::lock_guard lock(m->mutex);
        for (const auto& s : m->sessions)
            if (s.protocol == id_of && s.via->alive()) {
                m->dialling = false;
                return;
            }
    }
    open_over(m, protocol, uri, endpoint, nullptr);
}

void fleet::open_over(const member_ptr& m, const std::shared_ptr<instance>& protocol, const std::string& uri,
                      const std::string& endpoint, const link_ptr& instead_of) {
    auto id_of = protocol_id(sdk::view(protocol->table<sigrun_protocol>(SIGRUN_KIND_PROTOCOL)->name));
    dial_target target;
    target.uri = uri;
    {
        std::lock_guard lock(m->info->mutex);
        target.profile = m->info->identity.profile;
        target.options = m->info->identity.options;
    }
    auto self = shared_from_this();
    dial(host_, protocol, target, weak_from_this(), [self, m, id_of, endpoint, instead_of](result<link_ptr> r) {
        if (!r) return self->not_dialled(m, id_of, instead_of, r.error());
        auto via = *r;
        via->set_context(m);
        bool foreign = false;
        std::uint16_t slots = 1;
        {
            std::lock_guard lock(m->info->mutex);
            foreign = m->info->foreign;
            slots = m->info->identity.slots.value_or(1);
            if (foreign) m->info->places = slots;
        }
        if (!foreign) return self->greet(m, via, endpoint, instead_of);
        // The contract has no capacity and no facts: the operator states the places, and commands are all it runs.
        std::vector<fact> facts;
        self->declare(facts, slots, {"process"});
        self->runners_.set_facts(*m->info, std::make_shared<const capability_document>(std::move(facts)));
        self->dialled(m, session{via, id_of, {}, 0, {}, 0, endpoint}, instead_of);
    });
}

void fleet::greet(const member_ptr& m, const link_ptr& via, const std::string& endpoint, const link_ptr& instead_of) {
    json::object me{{"controller", options_.controller_id}};
    auto self = shared_from_this();
    via->call_once(
        "sessions.open", "", json::serialize(me), [self, m, via, endpoint, instead_of](result<std::string> r) {
            auto hello = r ? parse_greeting(*r) : result<greeting>(r.error());
            if (!hello) {
                via->close(SIGRUN_E_INVALID);
                auto why = hello.error();
                why.message = "the runner's HELLO: " + why.message;
                return self->not_dialled(m, self->protocol_id(via->protocol_name()), instead_of, why);
            }
            self->apply_greeting(m, *hello);
            // What runs stays on the link it is on, if there is one: this is one more way to the same runner.
            bool beside = false;
            if (!instead_of) {
                std::lock_guard lock(m->mutex);
                for (const auto& s : m->sessions)
                    beside = beside || (s.via->alive() && !s.suspect && !hello->process.empty() &&
                                        s.process == hello->process && s.via->protocol_name() != via->protocol_name());
            }
            if (beside) {
                self->send_verdicts(via, {}, {});
            } else if (self->attempts_) {
                auto verdicts = self->attempts_->reconcile(m, hello->inventory, self->is_restart(m, hello->process));
                self->send_verdicts(via, hello->inventory, verdicts);
            }
            session s{via,
                      self->protocol_id(via->protocol_name()),
                      hello->session,
                      hello->generation,
                      {},
                      0,
                      endpoint,
                      hello->process};
            self->dialled(m, std::move(s), instead_of);
        });
}

void fleet::dialled(const member_ptr& m, session s, const link_ptr& instead_of) {
    if (instead_of) {
        move_over(instead_of);
    } else {
        std::lock_guard lock(m->mutex);
        m->dialling = false;
    }
    // Gently even without: another dial may have been on its way, and what that one opened works.
    attach_session(m, std::move(s), true);
}

void fleet::not_dialled(const member_ptr& m, std::uint8_t protocol, const link_ptr& instead_of, const problem& why) {
    {
        std::lock_guard lock(m->mutex);
        auto& record = m->rungs.at(protocol);
        record.last_failure = why.text();
        // "Not enabled there" is no failure of the way.
        if (why.code == errc::unsupported || why.code == errc::not_found)
            record.gate.not_here(clock_.now());
        else
            record.gate.failed(clock_.now());
        if (!instead_of) record.evidence.failed();
    }
    migration_done(m, protocol, why);
    if (instead_of)
        move_failed(instead_of, why.text());
    else
        dial_failed(m, why.text());
}

void fleet::dial_failed(const member_ptr& m, const std::string& reason) {
    std::uint32_t failures = 0;
    bool linked = false;
    {
        std::lock_guard lock(m->mutex);
        m->dialling = false;
        failures = ++m->dial_failures;
        // Windows of 2, 4, 8 s with a random point inside.
        auto window = std::chrono::seconds(1) * (1u << std::min(failures, 3u));
        auto wait = nanoseconds(
            static_cast<std::int64_t>(random_u64() % static_cast<std::uint64_t>(nanoseconds(window).count())));
        m->next_dial = clock_.now() + std::chrono::milliseconds(500) + wait;
        linked = !m->sessions.empty();
    }
    if (failures == 1) SIGRUN_LOG(k_log, warning, "runner ", m->info->identity.name, " cannot be reached: ", reason);
    if (!linked) refresh_status(m, reason);
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
    if (auto via = choose(m, 0xffff).via; via && !m->info->foreign) ask_again(via);
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

ttl_cache<json::object>::answer_info fleet::detection_age(const runner& r) const {
    std::string endpoint, profile;
    {
        std::lock_guard lock(r.mutex);
        endpoint = r.identity.endpoint;
        profile = r.identity.profile;
    }
    if (endpoint.empty()) return {};
    if (endpoint.find("://") == std::string::npos) endpoint = (profile.empty() ? "valkyrie://" : "http://") + endpoint;
    return detections_.peek(endpoint + "|" + profile);
}

}  // namespace sigrun

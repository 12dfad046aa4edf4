// Runners with an endpoint: open a link over each protocol that they speak, greet.
#include "kernel/base/json.hpp"
#include "kernel/link/fleet.hpp"
#include "kernel/link/greeting.hpp"
#include "kernel/log/loggers.hpp"
#include "kernel/net/url_security.hpp"

#include <algorithm>

namespace sigrun {
namespace {

// What calls to this runner bring: the token of its options.
std::string proof_for(const std::string& options) {
    auto o = options.empty() ? result<json::object>(json::object{}) : parse_object(options);
    const auto token = o ? text_or(*o, "token") : std::string_view();
    return token.empty() ? std::string() : "bearer " + std::string(token);
}

}  // namespace

void fleet::dial_member(const member_ptr& m) {
    {
        std::lock_guard lock(m->mutex);
        if (m->dialling || m->opening || m->removed || stopping_) return;
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

void fleet::open_link(const member_ptr& m, const std::shared_ptr<instance>& protocol, const std::string& uri,
                      const std::string& endpoint) {
    const auto* table = protocol->table<sigrun_protocol>(SIGRUN_KIND_PROTOCOL);
    auto id_of = protocol_id(sdk::view(table->name));
    {
        std::lock_guard lock(m->mutex);
        for (const auto& s : m->sessions)
            if (s.protocol == id_of && s.via->alive()) return;
    }
    open_over(m, protocol, uri, endpoint, nullptr);
}

void fleet::open_over(const member_ptr& m, const std::shared_ptr<instance>& protocol, const std::string& uri,
                      const std::string& endpoint, const link_ptr& instead_of) {
    auto id_of = protocol_id(sdk::view(protocol->table<sigrun_protocol>(SIGRUN_KIND_PROTOCOL)->name));
    if (!instead_of) {
        std::lock_guard lock(m->mutex);
        ++m->opening;
    }
    dial_target target;
    target.uri = uri;
    {
        std::lock_guard lock(m->info->mutex);
        target.profile = m->info->identity.profile;
        target.options = m->info->identity.options;
    }
    auto self = shared_from_this();
    const auto auth = proof_for(target.options);
    if (!auth.empty() && target.profile.empty() && !may_carry_secrets(uri))
        return not_dialled(m, id_of, instead_of,
                           problem{errc::forbidden, "the runner's token could be read on the way", "options.token",
                                   "an encrypted endpoint such as tls://HOST:PORT", uri});
    dial(host_, protocol, target, weak_from_this(),
         [self, m, protocol, id_of, endpoint, instead_of, auth](result<link_ptr> r) {
             const rundown::pass in(self->answers_);
             if (!in) {
                 if (r) (*r)->close();
                 return;
             }
             if (!r) {
                 self->detections_.invalidate(detection_key(m, protocol));
                 return self->not_dialled(m, id_of, instead_of, r.error());
             }
             auto via = *r;
             via->set_context(m);
             via->set_auth(auth);
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
             const auto now = fact_sheet::of(capability_document(std::move(facts)));
             sheet_ptr before;
             do {
                 std::lock_guard lock(m->info->mutex);
                 before = m->info->facts;
             } while (!self->runners_.exchange_facts(*m->info, before, now));
             self->dialled(m, session{via, id_of, {}, 0, {}, 0, endpoint}, instead_of);
         });
}

void fleet::greet(const member_ptr& m, const link_ptr& via, const std::string& endpoint, const link_ptr& instead_of) {
    json::object me{{"controller", options_.controller_id}, {"facts_known", facts_known(m)}};
    auto self = shared_from_this();
    via->call_once(
        "sessions.open", "", json::serialize(me), [self, m, via, endpoint, instead_of](result<std::string> r) {
            const rundown::pass in(self->answers_);
            if (!in) return via->close();
            auto hello = r ? parse_greeting(*r) : result<greeting>(r.error());
            if (!hello) {
                via->close(SIGRUN_E_INVALID);
                self->detections_.invalidate(detection_key(m, via->protocol()));
                auto why = hello.error();
                why.message = "the runner's HELLO: " + why.message;
                return self->not_dialled(m, self->protocol_id(via->protocol_name()), instead_of, why);
            }
            const bool known = self->apply_greeting(m, *hello);
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
            if (!known) self->ask_for_all(m, via);
        });
}

void fleet::dialled(const member_ptr& m, session s, const link_ptr& instead_of) {
    if (instead_of) {
        move_over(instead_of);
    } else {
        std::lock_guard lock(m->mutex);
        --m->opening;
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
        if (!instead_of) {
            record.evidence.failed();
            --m->opening;
        }
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
        failures = ++m->dial_failures;
        // Windows of 2, 4, 8 s with a random point inside.
        auto window = std::chrono::seconds(1) * (1u << std::min(failures, 3u));
        auto wait = nanoseconds(
            static_cast<std::int64_t>(random_u64() % static_cast<std::uint64_t>(nanoseconds(window).count())));
        m->next_dial = clock_.now() + std::chrono::milliseconds(500) + wait;
        linked = !m->sessions.empty();
    }
    if (failures == 1)
        SIGRUN_LOG(logs::fleet, warning, "runner ", m->info->identity.name, " cannot be reached: ", reason);
    if (!linked) refresh_status(m, reason);
}

}  // namespace sigrun

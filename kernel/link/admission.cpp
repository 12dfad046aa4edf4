// How a runner that dials in becomes a member: HELLO -> WELCOME with a ticket -> adopt.
#include "kernel/base/json.hpp"
#include "kernel/link/fleet.hpp"
#include "kernel/link/greeting.hpp"
#include "kernel/log/log.hpp"

#include <sigrun/cpp/error.hpp>

#include <Poco/SHA2Engine.h>

#include <algorithm>

namespace sigrun {
namespace {

constexpr std::size_t k_max_tickets = 65'536;

std::string hash_of(std::string_view secret) {
    Poco::SHA2Engine engine(Poco::SHA2Engine::SHA_256);
    engine.update(secret.data(), static_cast<unsigned>(secret.size()));
    return Poco::DigestEngine::digestToHex(engine.digest());
}

}  // namespace

bool fleet::apply_greeting(const member_ptr& m, const greeting& hello) {
    {
        std::lock_guard lock(m->info->mutex);
        m->info->places = hello.slots;
        m->info->kinds = hello.kinds;
        m->info->last_seen_ns = clock_.wall_ns();
        // A dialled runner keeps the labels its operator gave it; its own come beside them.
        for (const auto& [k, v] : hello.labels) m->info->identity.labels.try_emplace(k, v);
    }
    return learn(m, hello.facts);
}

bool fleet::is_restart(const member_ptr& m, const std::string& process) const {
    if (process.empty()) return false;
    std::lock_guard lock(m->mutex);
    return std::any_of(m->sessions.begin(), m->sessions.end(),
                       [&](const session& s) { return !s.process.empty() && s.process != process; });
}

void fleet::send_verdicts(const link_ptr& via, const std::vector<inventory_item>& items,
                          const std::vector<verdict>& verdicts) const {
    json::object answer{
        {"verdicts", to_json(items, verdicts)},
        {"beat_ms", std::chrono::duration_cast<std::chrono::milliseconds>(options_.beat_period).count()}};
    auto text = json::serialize(answer);
    sigrun_frame frame{};
    frame.struct_size = sizeof frame;
    frame.kind = SIGRUN_HELLO;
    frame.json = sdk::str(text);
    via->send(frame);
}

result<std::string> fleet::admit(std::uint64_t session_number, std::string_view text) {
    SIGRUN_TRY(hello, parse_greeting(text));
    runner_identity identity;
    identity.name = hello.name;
    identity.key_hash = hash_of(hello.key);
    identity.labels = hello.labels;
    SIGRUN_TRY(r, runners_.add(std::move(identity)));
    auto m = member_for(r);
    {
        std::lock_guard lock(m->mutex);
        for (const auto& s : m->sessions)
            if (s.key == hello.session && s.generation >= hello.generation && s.via->alive())
                return problem{errc::conflict, "an older generation of this session", "generation",
                               "more than " + std::to_string(s.generation), std::to_string(hello.generation)};
    }
    apply_greeting(m, hello);
    auto verdicts = attempts_ ? attempts_->reconcile(m, hello.inventory, is_restart(m, hello.process))
                              : std::vector<verdict>(hello.inventory.size());
    std::string ticket = random_secret(16);
    {
        std::unique_lock lock(mutex_);
        if (tickets_.size() >= k_max_tickets)
            return problem{errc::busy, "too many runners connect at once", "", "", "", 1000};
        tickets_[ticket] = {m,
                            hello.session,
                            hello.generation,
                            clock_.now() + std::chrono::seconds(10),
                            session_number,
                            hello.process,
                            hello.moving};
    }
    json::object welcome{
        {"ticket", ticket},
        {"runner", m->info->uid().text()},
        {"session", hello.session},
        {"generation", hello.generation},
        {"beat_ms", std::chrono::duration_cast<std::chrono::milliseconds>(options_.beat_period).count()},
        {"verdicts", to_json(hello.inventory, verdicts)}};
    if (hello.facts.revision) welcome["facts_known"] = facts_known(m);
    return json::serialize(welcome);
}

sigrun_result fleet::adopt(std::shared_ptr<instance> owner, std::uint64_t session_number, std::string_view ticket,
                           sigrun_link* raw, const sigrun_sink** frames, sigrun_error* error) noexcept {
    return sdk::guarded(error, [&]() -> sigrun_result {
        pending p;
        {
            std::unique_lock lock(mutex_);
            auto it = tickets_.find(ticket);
            if (it == tickets_.end() || it->second.session_number != session_number ||
                it->second.expires < clock_.now())
                return sdk::report(error, SIGRUN_E_DENIED, "the ticket is unknown, expired or of another connection");
            p = std::move(it->second);
            tickets_.erase(it);
        }
        auto via = link::wrap(host_, std::move(owner), raw, weak_from_this());
        via->set_context(p.who);
        *frames = via->sink();
        session s{via, protocol_id(via->protocol_name()), p.key, p.generation, {}, 0, {}, p.process};
        attach_session(p.who, std::move(s), p.moving);
        return SIGRUN_OK;
    });
}

}  // namespace sigrun

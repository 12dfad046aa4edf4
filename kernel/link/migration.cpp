// Work that runs goes over to another protocol of its runner: same lease, same attempt, same log offset. The link it goes to
// is asked for the runner's attempts; the answer and its verdicts bind them to it (fleet::on_hello).
#include "kernel/base/json.hpp"
#include "kernel/link/endpoint_uri.hpp"
#include "kernel/link/migrations.hpp"
#include "kernel/log/log.hpp"

#include <algorithm>

namespace sigrun {
namespace {

constexpr std::chrono::seconds k_migration_limit{10};
constexpr std::size_t k_max_waiting = 1024;

}  // namespace

// Everything that runs there comes to the rung in use.
void fleet::gather(const member_ptr& m, const std::string& why) {
    link_ptr to = choose(m, 0xffff).via;
    {
        std::lock_guard lock(m->mutex);
        m->rungs.moved_at = clock_.now();
        m->rungs.moves = rung_board::follow::nothing;
        if (!why.empty()) m->rungs.last_switch.reason = why;
    }
    if (to) ask_again(m, to);
}

void fleet::migrate(const member_ptr& m, const std::string& protocol, std::function<void(result<void>)> done) {
    const auto id_of = protocol_of(protocol);
    const auto names = protocol_names();
    if (protocol != "auto" && std::find(names.begin(), names.end(), protocol) == names.end()) {
        std::string known = "auto";
        for (const auto& n : names) known += ", " + n;
        return done(bad_value("to", "one of " + known, "\"" + protocol.substr(0, 64) + "\""));
    }
    if (!tuned()->migration)
        return done(problem{errc::forbidden, "running work stays where it is", "interface.enable_protocol_migration",
                            "yes, to move it", "no"});
    if (m->info->foreign)
        return done(problem{errc::unsupported, "this runner speaks one protocol of its own", "id",
                            "a runner that runs sigrun-runner", m->info->identity.name});
    bool waits = false;
    {
        std::lock_guard lock(migrations_->mutex);
        if (migrations_->open.size() >= k_max_waiting)
            return done(problem{errc::busy, "too many runners are being moved already", "", "", "", 1000});
        migrations_->open.push_back({m, id_of, clock_.now() + k_migration_limit, std::move(done)});
    }
    auto begun = begin_migration(m, id_of, waits);
    if (!begun || !waits) migration_done(m, id_of, begun);
}

result<void> fleet::begin_migration(const member_ptr& m, std::uint8_t protocol, bool& waits) {
    link_ptr there, dialled_in;
    std::string endpoint;
    {
        std::lock_guard lock(m->info->mutex);
        endpoint = m->info->identity.endpoint;
    }
    {
        std::lock_guard lock(m->mutex);
        for (const auto& s : m->sessions) {
            if (!s.via->alive()) continue;
            if (s.protocol == protocol) there = s.via;
            if (s.endpoint.empty()) dialled_in = s.via;
        }
        if (m->sessions.empty())
            return make_problem(errc::unavailable, "runner " + m->info->identity.name + " is not connected");
        m->rungs.next_reason = "asked by an operator";
        if (protocol == 0xff || there) m->rungs.wanted = protocol;
    }
    if (protocol == 0xff || there) {
        rerank(m, "asked by an operator");
        {
            std::lock_guard lock(m->mutex);
            m->rungs.next_reason.clear();
        }
        gather(m, "asked by an operator");
        if (!dialled_in || protocol != 0xff) return {};
    }
    if (dialled_in) {
        const auto text =
            json::serialize(json::object{{"reason", "an operator asked for another protocol"},
                                         {"reconnect", true},
                                         {"protocol", protocol == 0xff ? "auto" : protocol_name(protocol)}});
        sigrun_frame bye{};
        bye.struct_size = sizeof bye;
        bye.kind = SIGRUN_BYE;
        bye.json = sdk::str(text);
        if (dialled_in->send(bye) < 0)
            return make_problem(errc::unavailable, "the runner cannot be asked at the moment");
        waits = protocol != 0xff;
        return {};
    }
    waits = true;
    for (const auto& i : host_.instances(SIGRUN_KIND_PROTOCOL)) {
        const auto* table = i->table<sigrun_protocol>(SIGRUN_KIND_PROTOCOL);
        if (!table || !table->dial || sdk::view(table->name) != protocol_name(protocol)) continue;
        if (endpoint_names_protocol(endpoint))
            return problem{errc::conflict, "this runner's endpoint names its protocol", "endpoint",
                           "HOST:PORT, so that others can be used", endpoint};
        {
            std::lock_guard lock(m->mutex);
            m->rungs.at(protocol).gate.reset();
        }
        open_over(m, i, endpoint_over(endpoint, sdk::view(table->schemes)), endpoint, nullptr);
        return {};
    }
    return make_problem(errc::unsupported, std::string(protocol_name(protocol)) + " cannot dial");
}

// A link over `protocol` stands, or cannot be had.
void fleet::migration_done(const member_ptr& m, std::uint8_t protocol, const result<void>& how) {
    auto over = migrations_->take([&](const migrations::waiting& w) { return w.who == m && w.protocol == protocol; });
    if (over.empty()) return;
    if (how && protocol != 0xff) {
        {
            std::lock_guard lock(m->mutex);
            m->rungs.wanted = protocol;
            if (m->rungs.rung != protocol) m->rungs.next_reason = "asked by an operator";
        }
        rerank(m, "asked by an operator");
        gather(m, "asked by an operator");
    }
    {
        std::lock_guard lock(m->mutex);
        m->rungs.next_reason.clear();
    }
    for (auto& w : over) w.done(how);
}

void fleet::migration_refused(const member_ptr& m, const json::object& refused) {
    migration_done(m, protocol_of(text_or(refused, "protocol")),
                   problem{errc::unavailable, "the runner cannot come over this protocol", "to",
                           "a protocol that reaches the controller from there",
                           std::string(text_or(refused, "reason", "no reason given").substr(0, 512))});
}

void fleet::expire_migrations(time_point now) {
    for (auto& w : migrations_->take([&](const migrations::waiting& each) { return each.until < now || stopping_; })) {
        {
            std::lock_guard lock(w.who->mutex);
            w.who->rungs.next_reason.clear();
        }
        w.done(make_problem(errc::timeout, "the runner did not come over " + std::string(protocol_name(w.protocol)) +
                                               " within 10 s; what runs stays where it is"));
    }
}

}  // namespace sigrun

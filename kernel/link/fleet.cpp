#include "kernel/link/fleet.hpp"

#include "kernel/base/json.hpp"
#include "kernel/link/detection.hpp"
#include "kernel/link/endpoint_uri.hpp"
#include "kernel/link/greeting.hpp"
#include "kernel/link/migrations.hpp"
#include "kernel/link/moves.hpp"
#include "kernel/link/told_facts.hpp"
#include "kernel/log/loggers.hpp"

#include <algorithm>
#include <charconv>

namespace sigrun {
namespace {

constexpr std::size_t k_kept_slots = 8;
constexpr std::size_t k_longest_reason = 1024;

// A runner that is in no state to take jobs says why with each beat. True: it said so before, and does not now.
bool note_beat(runner& r, std::string_view beat, std::int64_t now_ns) {
    std::string why;
    if (beat.find("\"not_ready\"") != std::string_view::npos)
        if (const auto o = parse_object(beat)) why = text_or(*o, "not_ready").substr(0, k_longest_reason);
    std::lock_guard lock(r.mutex);
    r.last_seen_ns = now_ns;
    const bool ready_again = !r.not_ready.empty() && why.empty();
    r.not_ready = std::move(why);
    return ready_again;
}

std::uint64_t slot_key(slot_ref s) noexcept { return s.slot | (std::uint64_t{s.generation} << 32); }

}  // namespace

fleet::fleet(plugin_host& host, registry& runners, selector& select, metrics& numbers, const clock& clk,
             fleet_options options)
    : host_(host),
      runners_(runners),
      select_(select),
      numbers_(numbers),
      clock_(clk),
      options_(std::move(options)),
      detections_(clk, options_.cache_ttl, 20'000),
      migrations_(std::make_shared<migrations>()),
      moves_(std::make_shared<moves>(host.control())),
      looks_(std::make_shared<looks>(host.control(), clk)) {
    for (const char* name : {"valkyrie", "grpc", "http", "websocket"}) protocol_id(name);
    for (const auto& i : host_.instances(SIGRUN_KIND_PROTOCOL)) {
        const auto* table = i->table<sigrun_protocol>(SIGRUN_KIND_PROTOCOL);
        if (table) protocol_id(sdk::view(table->name));
    }
    fleet_tuning first;
    first.detection_timeout = options_.detection_timeout;
    first.cache_ttl = options_.cache_ttl;
    first.parallel_detection = options_.parallel_detection;
    first.auto_detection = options_.auto_detection;
    first.disabled_detection = options_.disabled_detection;
    tune(std::move(first));
}

void fleet::tune(fleet_tuning now) {
    detections_.set_ttl(now.cache_ttl);
    fill_rules(now);
    fallback_timeout_ = now.fallback_timeout.count();
    const bool reindexed = auto_selection_.exchange(now.auto_selection) != now.auto_selection;
    auto fresh = std::make_shared<const fleet_tuning>(std::move(now));
    bool other_facts = false;
    {
        std::lock_guard lock(tuning_mutex_);
        other_facts = tuned_ && tuned_->auto_detection != fresh->auto_detection;
        tuned_ = std::move(fresh);
    }
    std::vector<member_ptr> all;
    {
        std::shared_lock lock(mutex_);
        for (const auto& [uid, m] : members_) all.push_back(m);
    }
    for (const auto& m : all) {
        if (reindexed) reindex(m);
        rerank(m, "the configuration was changed");
        if (!other_facts || m->info->foreign) continue;
        if (auto via = choose(m, 0xffff).via) ask_for_all(m, via);
    }
}

protocol_mask fleet::mask_of(std::string_view protocol) const noexcept {
    if (protocol == "auto") return auto_selection_.load(std::memory_order_relaxed) ? 0xffff : k_auto_protocol;
    return protocol_bit(protocol_of(protocol));
}

std::uint8_t fleet::protocol_of(std::string_view name) const noexcept {
    const auto known = protocols_.find(name);
    return known < k_max_protocols ? known : protocol_table::k_none;
}

std::vector<std::string> fleet::protocol_names() const {
    std::vector<std::string> out;
    for (const auto& i : host_.instances(SIGRUN_KIND_PROTOCOL))
        if (const auto* table = i->table<sigrun_protocol>(SIGRUN_KIND_PROTOCOL); table && table->link)
            out.emplace_back(sdk::view(table->name));
    return out;
}

member_ptr fleet::member_for(const runner_ptr& r) {
    std::unique_lock lock(mutex_);
    auto& slot = members_[r->uid()];
    if (!slot) slot = std::make_shared<member>(r);
    return slot;
}

result<member_ptr> fleet::find(std::string_view name_or_id) {
    SIGRUN_TRY(r, runners_.find(name_or_id));
    return member_for(r);
}

member_ptr fleet::at(slot_ref slot) const {
    std::shared_lock lock(mutex_);
    auto it = by_slot_.find(slot_key(slot));
    return it == by_slot_.end() ? nullptr : it->second;
}

std::vector<member_ptr> fleet::members() const {
    std::shared_lock lock(mutex_);
    std::vector<member_ptr> out;
    out.reserve(members_.size());
    for (const auto& [uid, m] : members_) out.push_back(m);
    return out;
}

void fleet::reindex(const member_ptr& m) {
    runner_profile profile;
    {
        std::lock_guard lock(m->info->mutex);
        profile.facts = m->info->facts;
        profile.labels = std::make_shared<const label_map>(m->info->identity.labels);
        profile.places = m->info->usable_places();
    }
    profile.identity = std::hash<id>()(m->info->uid()) | 1;
    // Jobs that name no protocol, where the choice is not made for them.
    if (!auto_selection_.load(std::memory_order_relaxed) && names_protocol(m)) profile.protocols |= k_auto_protocol;
    slot_ref now;
    bool fresh = false;
    std::optional<std::uint64_t> outdated;
    {
        std::lock_guard lock(m->mutex);
        if (m->removed) return;
        hosts_.put(m, profile.facts ? host_of(*profile.facts) : std::string());
        for (const auto& s : m->sessions) profile.protocols |= protocol_bit(s.protocol);
        if (m->sessions.empty()) {
            if (!m->indexed) return;
            profile.protocols = 0;
        }
        auto r = m->indexed ? select_.update(m->slot, profile) : select_.add(profile);
        if (!r) {
            SIGRUN_LOG(logs::fleet, error, "runner ", m->info->identity.name, " cannot be indexed: ", r.error().text());
            return;
        }
        fresh = !m->indexed || !(m->slot == *r);
        m->slot = now = *r;
        m->indexed = true;
        if (fresh) m->slot_keys.push_back(slot_key(now));
        if (m->slot_keys.size() > k_kept_slots) {
            outdated = m->slot_keys.front();
            m->slot_keys.erase(m->slot_keys.begin());
        }
    }
    if (fresh) {
        std::unique_lock lock(mutex_);
        by_slot_[slot_key(now)] = m;
        if (outdated)
            if (auto it = by_slot_.find(*outdated); it != by_slot_.end() && it->second == m) by_slot_.erase(it);
    }
}

void fleet::leave_index(const member_ptr& m) {
    std::lock_guard lock(m->mutex);
    // What is claimed there is given back first.
    if (!m->indexed || !m->sessions.empty() || select_.in_flight(m->slot)) return;
    select_.remove(m->slot);
    m->indexed = false;
}

void fleet::refresh_status(const member_ptr& m, std::string_view reason) {
    bool linked = false, indexed = false;
    slot_ref slot;
    std::uint16_t places = 1;
    {
        std::lock_guard lock(m->mutex);
        for (const auto& s : m->sessions) linked = linked || s.via->alive();
        indexed = m->indexed;
        slot = m->slot;
        if (m->removed) return;
    }
    {
        std::lock_guard lock(m->info->mutex);
        places = m->info->usable_places();
    }
    bool full = indexed && select_.in_flight(slot) >= places;
    auto status = runners_.apply_status(*m->info, linked, full, reason);
    if (indexed) select_.set_open(slot, status == runner_status::online || status == runner_status::busy);
}

sigrun_result fleet::on_frame(const link_ptr& from, const sigrun_frame& frame) {
    auto m = std::static_pointer_cast<member>(from->context());
    if (!m) return SIGRUN_E_CANCELLED;
    if (frame.attempt) return attempts_ ? attempts_->on_attempt_frame(m, from, frame) : SIGRUN_E_CANCELLED;
    {
        std::lock_guard lock(m->mutex);
        for (auto& s : m->sessions)
            if (s.via == from) s.last_frame = clock_.now();
    }
    switch (frame.kind) {
        case SIGRUN_BEAT: {
            const bool ready_again = note_beat(*m->info, sdk::view(frame.json), clock_.wall_ns());
            const auto time = sdk::concat(R"({"wall_ns":)", clock_.wall_ns(), "}");
            sigrun_frame answer{};
            answer.struct_size = sizeof answer;
            answer.kind = SIGRUN_BEAT;
            answer.time_ns = frame.time_ns;
            answer.json = sdk::str(time);
            from->send(answer);
            refresh_status(m, ready_again ? "it takes jobs again" : "");
            if (ready_again && attempts_) {
                slot_ref slot;
                {
                    std::lock_guard lock(m->mutex);
                    slot = m->slot;
                }
                attempts_->on_capacity(slot);
            }
            break;
        }
        case SIGRUN_HELLO: {
            auto hello = parse_object(sdk::view(frame.json));
            if (!hello) return SIGRUN_E_INVALID;
            return on_hello(m, from, *hello);
        }
        case SIGRUN_DRAIN: {
            {
                std::lock_guard lock(m->info->mutex);
                m->info->leaving = true;
            }
            refresh_status(m, "the runner drains itself");
            break;
        }
        case SIGRUN_BYE: {
            // Of a runner that was dialled: its plugin is being replaced. Otherwise a courtesy; the lost connection takes the
            // same path.
            auto bye = parse_object(sdk::view(frame.json));
            if (bye && bool_or(*bye, "reconnect", false)) move_link(m, from);
            break;
        }
        default: break;
    }
    return SIGRUN_OK;
}

// Facts, attempts, answers: whatever a runner says unasked, and its answer to ask_again.
sigrun_result fleet::on_hello(const member_ptr& m, const link_ptr& from, const json::object& hello) {
    auto facts = parse_told_facts(hello);
    auto inventory = parse_inventory(hello);
    if (!facts || !facts->facts || !inventory) return SIGRUN_E_INVALID;
    if (auto told = parse_kinds(hello)) {
        std::lock_guard lock(m->info->mutex);
        m->info->kinds = std::move(*told);  // an executor was replaced
    }
    if (!learn(m, *facts)) ask_for_all(m, from);
    reindex(m);
    if (const auto* reloaded = object_or_null(hello, "reloaded")) reloads_.answered(m, *reloaded);
    if (const auto* refused = object_or_null(hello, "move_refused")) migration_refused(m, *refused);
    if (!attempts_) return SIGRUN_OK;
    // Over a link that is about to go nothing is taken up again.
    const bool with_attempts = hello.contains("inventory");
    if (leaving_answered(m, from, with_attempts)) return SIGRUN_OK;
    // Nobody asked: one of its links is gone, and what ran over it may go on here.
    const bool orphaned = bool_or(hello, "orphaned", false);
    if (with_attempts && !(orphaned && !tuned()->migration)) {
        auto verdicts = attempts_->reconcile(m, *inventory, false);
        send_verdicts(from, *inventory, verdicts);
        attempts_->on_session(m, from, orphaned ? "its runner says that the link before was lost" : switch_reason(m));
    }
    slot_ref slot;
    {
        std::lock_guard lock(m->mutex);
        slot = m->slot;
    }
    attempts_->on_capacity(slot);
    return SIGRUN_OK;
}

result<void> fleet::check(const runner_identity& identity) const {
    if (!valid_runner_name(identity.name))
        return bad_value("name", "1 to 64 letters, digits, dots, dashes or underscores",
                         "\"" + identity.name.substr(0, 80) + "\"");
    if (!identity.profile.empty() && identity.profile != "rustci")
        return bad_value("profile", "\"\" (native) or \"rustci\" (legacy HTTP contract)",
                         "\"" + identity.profile + "\"");
    if (identity.endpoint.empty())
        return bad_value("endpoint", "HOST:PORT or an address such as http://host:port", "nothing");
    if (!endpoint_names_protocol(identity.endpoint)) {
        const auto e = endpoint_address(identity.endpoint);
        const auto colon = e.rfind(':');
        std::uint16_t port = 0;
        const bool good = colon != std::string_view::npos && colon > 0 &&
                          std::from_chars(e.data() + colon + 1, e.data() + e.size(), port).ptr == e.data() + e.size() &&
                          port > 0;
        if (!good)
            return bad_value("endpoint", "HOST:PORT, tls://HOST:PORT or an address such as http://host:port",
                             "\"" + identity.endpoint + "\"");
    } else {
        auto known = protocol_for_uri(host_, identity.endpoint);
        if (!known) return known.error();
    }
    return {};
}

result<member_ptr> fleet::add(runner_identity identity, registry::stored_fn stored) {
    SIGRUN_CHECK_OK(check(identity));
    SIGRUN_TRY(r, runners_.add(std::move(identity), std::move(stored)));
    auto m = member_for(r);
    {
        std::lock_guard lock(m->mutex);
        m->next_dial = clock_.now();
    }
    drop_moved(m);
    dial_member(m);
    // One that was known already may have other labels and slots now.
    reindex(m);
    refresh_status(m, "");
    return m;
}

result<void> fleet::remove(const member_ptr& m, std::string_view reason) {
    std::vector<session> sessions;
    std::vector<std::uint64_t> keys;
    SIGRUN_CHECK_OK(runners_.remove(m->info, reason));
    {
        std::lock_guard lock(m->mutex);
        m->removed = true;
        sessions = std::move(m->sessions);
        m->sessions.clear();
        m->unlinked_since = clock_.now();
        for (auto& l : m->leaving) sessions.emplace_back().via = std::move(l.via);
        m->leaving.clear();
        keys = m->slot_keys;
        if (m->indexed) select_.remove(m->slot);
        m->indexed = false;
    }
    {
        std::unique_lock lock(mutex_);
        for (auto k : keys) by_slot_.erase(k);
        members_.erase(m->info->uid());
    }
    hosts_.remove(*m);
    for (const auto& s : sessions) {
        s.via->close();
        if (attempts_) attempts_->on_link_lost(m, s.via);
    }
    return {};
}

void fleet::hang_up(const member_ptr& m) {
    std::vector<link_ptr> links;
    {
        std::lock_guard lock(m->mutex);
        for (const auto& s : m->sessions) links.push_back(s.via);
        for (const auto& l : m->leaving) links.push_back(l.via);
    }
    for (const auto& via : links) via->close(SIGRUN_E_DENIED);
}

void fleet::set_admin(const member_ptr& m, admin_state state, std::string_view reason, registry::stored_fn stored) {
    runners_.set_admin(*m->info, state, reason, std::move(stored));
    const bool lifted = state == admin_state::none && lift_quarantine(m);
    refresh_status(
        m, reason.empty() ? (state == admin_state::none ? "resumed by an operator" : "asked by an operator") : reason);
    if (lifted) tell_released(m, "an operator");
    if (state == admin_state::none) has_room(m);
}

}  // namespace sigrun

// Links go over to another connection, make before break: the new one is opened while the old one works on. What happens to
// the old one then is in leaving.cpp.
#include "kernel/base/json.hpp"
#include "kernel/link/endpoint_uri.hpp"
#include "kernel/link/moves.hpp"
#include "kernel/log/loggers.hpp"

#include <boost/asio/post.hpp>

namespace sigrun {
namespace {

constexpr std::size_t k_at_once = 32;                    // dialled, and told, at a time
constexpr std::chrono::milliseconds k_pass{100};         // between two looks at what is under way
constexpr std::chrono::milliseconds k_slow_pass{1'000};  // the same for what takes long: a look goes over all jobs
constexpr std::chrono::seconds k_quick{3};               // from then on, since the last that came
constexpr std::chrono::milliseconds k_first_pause{250};  // after a dial that failed; doubled up to
constexpr std::chrono::milliseconds k_longest_pause{8'000};
constexpr std::chrono::minutes k_move_limit{10};  // then the old link is left to its own end

}  // namespace

bool fleet::is_current(const std::shared_ptr<instance>& protocol) const {
    const auto all = host_.instances(SIGRUN_KIND_PROTOCOL);
    return std::find(all.begin(), all.end(), protocol) != all.end();
}

void fleet::leave_protocol(const std::shared_ptr<instance>& old) {
    std::vector<member_ptr> all;
    {
        std::shared_lock lock(mutex_);
        for (const auto& [uid, m] : members_) all.push_back(m);
    }
    for (const auto& m : all) {
        std::vector<session> over;
        {
            std::lock_guard lock(m->mutex);
            for (const auto& s : m->sessions)
                if (s.via->protocol() == old) over.push_back(s);
        }
        for (const auto& s : over) move_away(m, s);
    }
}

void fleet::move_away(const member_ptr& m, const session& s) {
    if (!s.endpoint.empty()) return move_link(m, s.via);
    const auto* table = s.via->protocol()->table<sigrun_protocol>(SIGRUN_KIND_PROTOCOL);
    if (SIGRUN_HAS(table, serve) && SIGRUN_HAS(table->serve, retire)) return;  // it tells its peers itself
    {
        std::lock_guard lock(moves_->mutex);
        moves_->to_tell.push_back(s.via);
    }
    wake_moves();
}

void fleet::move_link(const member_ptr& m, const link_ptr& from) {
    {
        std::lock_guard lock(m->mutex);
        auto it = std::find_if(m->sessions.begin(), m->sessions.end(), [&](const session& s) { return s.via == from; });
        if (it == m->sessions.end() || it->endpoint.empty()) return;
    }
    {
        std::lock_guard lock(moves_->mutex);
        for (const auto& each : moves_->waiting)
            if (each.from == from) return;
        const auto now = clock_.now();
        moves_->waiting.push_back({m, from, now, now + k_move_limit, 0, false});
    }
    wake_moves();
}

void fleet::move_over(const link_ptr& from) {
    std::lock_guard lock(moves_->mutex);
    std::erase_if(moves_->waiting, [&](const moves::move& each) { return each.from == from; });
}

void fleet::move_failed(const link_ptr& from, const std::string& reason) {
    {
        std::lock_guard lock(moves_->mutex);
        for (auto& each : moves_->waiting) {
            if (each.from != from) continue;
            each.open = false;
            each.not_before = clock_.now() + std::min<nanoseconds>(k_first_pause * (1u << std::min(each.failures, 8u)),
                                                                   k_longest_pause);
            if (each.failures++ == 0)
                SIGRUN_LOG(logs::fleet, warning, "runner ", each.who->info->identity.name, " keeps its old ",
                           from->protocol_name(), " link for now, another cannot be opened: ", reason);
        }
    }
    wake_moves();
}

void fleet::wake_moves() {
    bool first = false;
    {
        std::lock_guard lock(moves_->mutex);
        moves_->again = true;
        moves_->quick_until = clock_.now() + k_quick;
        first = !std::exchange(moves_->armed, true);
        if (!first && !std::exchange(moves_->slow, false)) return;
    }
    boost::asio::post(host_.control(), [weak = weak_from_this(), first] {
        auto me = weak.lock();
        if (me && (first || me->moves_->timer.cancel())) me->care_for_moves();
    });
}

// [ctl] As long as there is something to care for.
void fleet::care_for_moves() {
    if (stopping_) return;
    std::vector<member_ptr> with_leaving;
    {
        std::lock_guard lock(moves_->mutex);
        moves_->again = false;
        with_leaving = moves_->with_leaving;
    }
    begin_moves();
    std::vector<member_ptr> settled;
    for (const auto& m : with_leaving)
        if (!look_after_leaving(m)) settled.push_back(m);
    {
        std::lock_guard lock(moves_->mutex);
        for (const auto& m : settled) {
            std::lock_guard guard(m->mutex);
            if (m->leaving.empty()) std::erase(moves_->with_leaving, m);
        }
        if (moves_->waiting.empty() && moves_->to_tell.empty() && moves_->with_leaving.empty() && !moves_->again) {
            moves_->armed = false;
            return;
        }
        moves_->slow = clock_.now() > moves_->quick_until;
        moves_->timer.expires_after(moves_->slow ? k_slow_pass : k_pass);
    }
    moves_->timer.async_wait([weak = weak_from_this()](boost::system::error_code ec) {
        if (auto me = weak.lock(); me && !ec) me->care_for_moves();
    });
}

void fleet::begin_moves() {
    std::vector<moves::move> begin;
    std::vector<link_ptr> tell;
    {
        std::lock_guard lock(moves_->mutex);
        auto& told = moves_->to_tell;
        const auto some = static_cast<std::ptrdiff_t>(std::min(told.size(), k_at_once));
        tell.assign(told.begin(), told.begin() + some);
        told.erase(told.begin(), told.begin() + some);
        const auto now = clock_.now();
        std::erase_if(moves_->waiting, [&](const moves::move& each) {
            return !each.open && (now > each.give_up || !each.from->alive());
        });
        auto open = static_cast<std::size_t>(std::count_if(moves_->waiting.begin(), moves_->waiting.end(),
                                                           [](const moves::move& each) { return each.open; }));
        for (auto& each : moves_->waiting) {
            if (open >= k_at_once) break;
            if (each.open || each.not_before > now) continue;
            each.open = true;
            ++open;
            begin.push_back(each);
        }
    }
    static constexpr std::string_view k_bye = R"({"reason":"the plugin is being replaced","reconnect":true})";
    sigrun_frame bye{};
    bye.struct_size = sizeof bye;
    bye.kind = SIGRUN_BYE;
    bye.json = sdk::str(k_bye);
    std::vector<link_ptr> full;
    for (const auto& via : tell)
        if (via->send(bye) == SIGRUN_E_BUSY) full.push_back(via);
    if (!full.empty()) {
        std::lock_guard lock(moves_->mutex);
        moves_->to_tell.insert(moves_->to_tell.end(), full.begin(), full.end());
    }
    for (const auto& each : begin)
        if (!begin_move(each.who, each.from)) move_over(each.from);
}

bool fleet::begin_move(const member_ptr& m, const link_ptr& from) {
    std::string endpoint;
    {
        std::lock_guard lock(m->mutex);
        for (const auto& s : m->sessions)
            if (s.via == from) endpoint = s.endpoint;
        if (m->removed || endpoint.empty()) return false;  // gone, or replaced by another way
    }
    for (const auto& i : host_.instances(SIGRUN_KIND_PROTOCOL)) {
        const auto* table = i->table<sigrun_protocol>(SIGRUN_KIND_PROTOCOL);
        if (!table || !table->dial || sdk::view(table->name) != from->protocol_name()) continue;
        open_over(m, i, endpoint_over(endpoint, sdk::view(table->schemes)), endpoint, from);
        return true;
    }
    return false;
}

}  // namespace sigrun

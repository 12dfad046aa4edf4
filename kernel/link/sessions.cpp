// A link becomes a session of its runner, in the place of another one or beside it, and stops being one.
#include "kernel/link/fleet.hpp"
#include "kernel/link/moves.hpp"
#include "kernel/log/loggers.hpp"

#include <algorithm>

namespace sigrun {
namespace {

constexpr std::size_t k_max_leaving = 64;  // of one runner

}  // namespace

void fleet::attach_session(const member_ptr& m, session s, bool gently) {
    link_ptr via = s.via;
    const session made = s;
    std::vector<link_ptr> replaced;
    std::vector<std::string> left;
    bool leaving = false, restarted = false;
    std::string came_because = via->protocol_name() + " came up";
    {
        std::unique_lock lock(m->mutex);
        if (stopping_ || m->removed) {
            lock.unlock();
            return via->close();
        }
        // The runner had its WELCOME, and came over the next connection, before this one was adopted.
        const bool overtaken = std::any_of(m->sessions.begin(), m->sessions.end(), [&](const session& each) {
            return !s.key.empty() && each.key == s.key && each.generation > s.generation && each.via->alive();
        });
        if (overtaken) {
            m->leaving.push_back({via, clock_.now()});
            lock.unlock();
            moves_->note_leaving(m);
            return wake_moves();
        }
        for (auto it = m->sessions.begin(); it != m->sessions.end();) {
            // A newer connection over the same protocol replaces the older one, and a new run of the agent all of them.
            bool other_run = !s.process.empty() && !it->process.empty() && it->process != s.process;
            restarted = restarted || other_run;
            // The same session of a runner that dials in, over another protocol now.
            bool other_rung = s.endpoint.empty() && it->endpoint.empty() && !s.key.empty() && it->key == s.key;
            if (it->protocol == s.protocol || other_run || other_rung) {
                // What is on its way over a link that works, and was not broken off, arrives before it is closed.
                if (!other_run && it->via->alive() && (gently || !is_current(it->via->protocol()))) {
                    m->leaving.push_back({it->via, clock_.now()});
                    leaving = true;
                    left.push_back(it->via->protocol_name());
                } else {
                    replaced.push_back(it->via);
                    // It says that the other way does not work any more, before we have seen it.
                    if (other_rung && !gently && !other_run && it->protocol != s.protocol) {
                        came_because =
                            it->via->protocol_name() + " was lost: its runner came back over another protocol";
                        m->rungs.lost(it->protocol, "the runner came back over another protocol", false, clock_.now());
                    }
                }
                it = m->sessions.erase(it);
            } else {
                ++it;
            }
        }
        for (; m->leaving.size() > k_max_leaving; m->leaving.erase(m->leaving.begin()))
            replaced.push_back(m->leaving.front().via);
        s.last_frame = clock_.now();
        if (restarted) m->rungs.forgive();
        m->rungs.connected(s.protocol, s.last_frame);
        m->sessions.push_back(std::move(s));
        m->dial_failures = 0;
        m->ping_failures = 0;
    }
    rerank(m, came_because);
    const std::string why = switch_reason(m);
    for (const auto& old : replaced) old->close(SIGRUN_E_FENCED);
    if (restarted) reloads_.lost(m);  // nobody is left there who was asked
    // The operator may have given the runner another endpoint while this link was made.
    if (drop_moved(m)) return dial_member(m);
    {
        std::lock_guard lock(m->info->mutex);
        auto& seen = m->info->protocols[via->protocol_name()];
        seen.supported = seen.up = true;
        seen.reason = "link open";
        m->info->last_seen_ns = clock_.wall_ns();
        m->info->leaving = false;
        for (const auto& old : replaced)
            if (old->protocol_name() != via->protocol_name()) m->info->protocols[old->protocol_name()].up = false;
        for (const auto& l : left)
            if (l != via->protocol_name()) m->info->protocols[l].up = false;
    }
    protocols_changed(m);
    reindex(m);
    refresh_status(m, "connected over " + via->protocol_name());
    SIGRUN_LOG(logs::fleet, info, "runner ", m->info->identity.name, " connected over ", via->protocol_name());
    if (attempts_) {
        attempts_->on_session(m, via, why);
        for (const auto& old : replaced) attempts_->on_link_lost(m, old);
        slot_ref slot;
        {
            std::lock_guard lock(m->mutex);
            slot = m->slot;
        }
        attempts_->on_capacity(slot);
    }
    if (leaving) {
        moves_->note_leaving(m);
        wake_moves();
    }
    // It was on its way when its plugin was replaced.
    if (!is_current(via->protocol())) move_away(m, made);
    // It was lost before it was noted here: nobody else comes to take it out.
    if (!via->alive()) {
        drop_session(m, via, "connection lost");
        return migration_done(m, made.protocol, make_problem(errc::unavailable, "the new connection was lost at once"));
    }
    ping(m, via);
    migration_done(m, made.protocol, {});
}

void fleet::drop_session(const member_ptr& m, const link_ptr& via, const std::string& why) {
    bool had = false;
    std::string reason = why;
    bool left = false;
    {
        // A runner that said it would leave has left; how its connection ended is no news.
        std::lock_guard lock(m->info->mutex);
        left = m->info->leaving;
        if (left) reason = "it was stopped";
    }
    link_ptr survivor;
    if (end_leaving(m, via)) return;
    {
        std::lock_guard lock(m->mutex);
        auto it = std::find_if(m->sessions.begin(), m->sessions.end(), [&](const session& s) { return s.via == via; });
        had = it != m->sessions.end();
        std::uint8_t protocol = 0;
        time_point heard = clock_.now();
        if (had) {
            protocol = it->protocol;
            // A link that was given up for its silence has been of no use for a while.
            if (!m->info->foreign) heard = it->last_frame;
            m->sessions.erase(it);
        }
        for (const auto& s : m->sessions)
            if (s.via->alive()) survivor = s.via;
        m->next_dial = clock_.now();
        if (m->sessions.empty()) m->unlinked_since = heard;
        if (had && !left)
            m->rungs.lost(protocol, reason.empty() ? "connection lost" : reason, survivor != nullptr, clock_.now());
    }
    if (!had) return;
    // What was known of the endpoint may be no more so: whoever dials it again looks first.
    detections_.invalidate(detection_key(m, via->protocol()));
    rerank(m, via->protocol_name() + " was lost: " + (reason.empty() ? "the connection ended" : reason));
    {
        std::lock_guard lock(m->info->mutex);
        auto& seen = m->info->protocols[via->protocol_name()];
        seen.up = false;
        seen.reason = reason.empty() ? "connection lost" : reason;
    }
    protocols_changed(m);
    SIGRUN_LOG(logs::fleet, info, "runner ", m->info->identity.name, " lost its ", via->protocol_name(),
               " link: ", reason);
    reindex(m);
    refresh_status(m, reason.empty() ? "connection lost" : reason);
    if (!survivor) reloads_.lost(m);
    if (attempts_) attempts_->on_link_lost(m, via);
    // What ran over the lost link goes on over another one, once the runner has listed it there.
    if (survivor && !m->info->foreign && tuned()->migration) gather(m, switch_reason(m));
}

bool fleet::drop_moved(const member_ptr& m) {
    std::string endpoint;
    {
        std::lock_guard lock(m->info->mutex);
        endpoint = m->info->identity.endpoint;
    }
    std::vector<link_ptr> elsewhere;
    {
        std::lock_guard lock(m->mutex);
        for (const auto& s : m->sessions)
            if (!s.endpoint.empty() && s.endpoint != endpoint) elsewhere.push_back(s.via);
    }
    for (const auto& via : elsewhere) {
        via->close();
        drop_session(m, via, "the endpoint was changed to " + endpoint);
    }
    return !elsewhere.empty();
}

void fleet::on_lost(const link_ptr& which, const std::string& reason) {
    auto m = std::static_pointer_cast<member>(which->context());
    if (m) drop_session(m, which, reason);
}

}  // namespace sigrun

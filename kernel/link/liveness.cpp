// Periodic care for members: beats, health of foreign runners, latency, dialling again.
#include "kernel/base/json.hpp"
#include "kernel/link/detection.hpp"
#include "kernel/link/moves.hpp"
#include "kernel/log/log.hpp"

#include <sigrun/cpp/text.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <thread>

namespace sigrun {
namespace {

constexpr std::chrono::seconds k_look{1};

}  // namespace

fleet::~fleet() = default;

struct fleet::timer {
    explicit timer(boost::asio::io_context& io) : each(io) {}
    boost::asio::steady_timer each;
    std::uint64_t count = 0;
};

void fleet::start() {
    for (const auto& r : runners_.all()) member_for(r);
    timer_ = std::make_shared<timer>(host_.control());
    tick();
}

void fleet::stop() {
    stopping_ = true;
    reloads_.end();
    expire_migrations(clock_.now());
    // Where it is used: a timer is not for two threads.
    if (timer_) boost::asio::post(host_.control(), [t = timer_] { t->each.cancel(); });
    looks_->later->stop();
    std::vector<member_ptr> all;
    std::vector<link_ptr> closing;
    {
        std::lock_guard lock(looks_->mutex);
        looks_->waiting.clear();
    }
    {
        // What waits to be moved holds links, and they their plugins.
        std::lock_guard lock(moves_->mutex);
        moves_->waiting.clear();
        moves_->to_tell.clear();
        moves_->with_leaving.clear();
    }
    {
        std::shared_lock lock(mutex_);
        for (const auto& [uid, m] : members_) all.push_back(m);
    }
    for (const auto& m : all) {
        std::vector<session> sessions;
        {
            std::lock_guard lock(m->mutex);
            sessions = std::move(m->sessions);
            m->sessions.clear();
            for (auto& l : m->leaving) sessions.emplace_back().via = std::move(l.via);
            m->leaving.clear();
        }
        for (const auto& s : sessions) {
            closing.push_back(s.via);
            s.via->close();
        }
    }
    // No frame may come once this returns.
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(2);
    for (const auto& via : closing)
        while (!via->gone() && std::chrono::steady_clock::now() < patience)
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
    answers_.close();
}

void fleet::tick() {
    if (stopping_) return;
    std::vector<member_ptr> all;
    {
        std::unique_lock lock(mutex_);
        for (auto it = tickets_.begin(); it != tickets_.end();)
            it = it->second.expires < clock_.now() ? tickets_.erase(it) : std::next(it);
        all.reserve(members_.size());
        for (const auto& [uid, m] : members_) all.push_back(m);
    }
    std::size_t linked = 0;
    std::map<std::uint8_t, std::size_t> missed;
    for (const auto& m : all) {
        check_liveness(m);
        std::lock_guard lock(m->mutex);
        linked += !m->sessions.empty();
        if (!m->sessions.empty() && m->missed != 0xff) ++missed[m->missed];
    }
    note_lower_fleet(linked, missed);
    reloads_.expire(clock_.now());
    expire_migrations(clock_.now());
    ++timer_->count;
    timer_->each.expires_after(k_look);
    auto self = weak_from_this();
    timer_->each.async_wait([self](boost::system::error_code ec) {
        if (auto me = self.lock(); me && !ec) me->tick();
    });
}

void fleet::check_liveness(const member_ptr& m) {
    const auto now = clock_.now();
    const auto limit =
        std::max<nanoseconds>(std::chrono::seconds(10), 3 * options_.beat_period + std::chrono::seconds(1));
    std::vector<session> silent, to_ping;
    bool dial = false, gone = false;
    care_for_rungs(m, now);
    try_again(m);
    // Each member has its own second of the interval, so that pings do not come in waves.
    const auto interval =
        static_cast<std::uint64_t>(std::max<std::int64_t>(tuned()->monitoring_interval / std::chrono::seconds(1), 1));
    const auto phase = m->info->uid().low % interval;
    {
        std::lock_guard lock(m->mutex);
        for (const auto& s : m->sessions) {
            // Not later than the limit: at the next look it would be.
            if (!s.via->foreign() && !m->info->foreign && now - s.last_frame + k_look > limit)
                silent.push_back(s);
            else if (timer_->count % interval == phase)
                to_ping.push_back(s);
        }
        gone = m->indexed && m->sessions.empty() && now - m->unlinked_since > tuned()->runner_timeout;
        std::lock_guard guard(m->info->mutex);
        dial = !m->info->identity.endpoint.empty() && !m->dialling && !m->opening && m->next_dial <= now;
    }
    for (const auto& s : silent) {
        s.via->close(SIGRUN_E_TIMEOUT);  // first: what is bound to a link that was dropped must find it closed
        drop_session(m, s.via, "no beat for " + std::to_string((now - s.last_frame) / std::chrono::seconds(1)) + " s");
    }
    for (const auto& s : to_ping) ping(m, s.via);
    if (gone) leave_index(m);
    if (dial) dial_member(m);
}

void fleet::freshen(const std::vector<std::string>& keys) {
    if (keys.empty()) return;
    std::vector<member_ptr> all;
    {
        std::shared_lock lock(mutex_);
        all.reserve(members_.size());
        for (const auto& [uid, m] : members_) all.push_back(m);
    }
    const auto now = clock_.now();
    const auto wall = clock_.wall_ns();
    for (const auto& m : all) {
        sheet_ptr facts;
        {
            std::lock_guard lock(m->info->mutex);
            facts = m->info->facts;
        }
        auto old = [&](const std::string& key) {
            const fact_view f = facts ? facts->find(key) : fact_view();
            return f && f.kind->volatility() == fact_volatility::fast && f.kind->ttl_s() &&
                   f.observed_ns + std::int64_t{f.kind->ttl_s()} * 1'000'000'000 <= wall;
        };
        if (m->info->foreign || std::none_of(keys.begin(), keys.end(), old)) continue;
        {
            std::lock_guard lock(m->mutex);
            if (m->next_question > now) continue;
            m->next_question = now + std::chrono::seconds(2);
        }
        // Over the rung in use: what runs is bound to the link that answers.
        if (auto via = choose(m, 0xffff).via) ask_again(m, via);
    }
}

void fleet::ping(const member_ptr& m, const link_ptr& via) {
    auto self = weak_from_this();
    via->ping([self, m, via](result<buffer_ref> r) {
        auto me = self.lock();
        if (!me || me->stopping_) return;
        if (r) {
            auto o = parse_object(r->view());
            auto rtt = o ? number_or<std::int64_t>(*o, "rtt_ns", 0) : 0;
            {
                std::lock_guard lock(m->mutex);
                m->ping_failures = 0;
                for (auto& s : m->sessions)
                    if (s.via == via) s.answered = me->clock_.now();
            }
            if (rtt > 0) me->note_latency(m, via, rtt);
            return;
        }
        if (r.error().code == errc::unsupported || !via->alive()) return;
        if (!m->info->foreign)
            return me->note_failure(m, me->protocol_of(via->protocol_name()),
                                    "a ping was not answered: " + r.error().text());
        // A foreign runner has no beats: three failed health requests in a row end its link.
        bool give_up = false;
        {
            std::lock_guard lock(m->mutex);
            give_up = m->info->foreign && ++m->ping_failures >= 3;
        }
        if (give_up) {
            via->close(SIGRUN_E_TIMEOUT);
            me->drop_session(m, via, "three health requests failed: " + r.error().text());
        }
    });
}

void fleet::note_latency(const member_ptr& m, const link_ptr& via, std::int64_t rtt_ns) {
    std::int64_t smoothed = 0;
    const auto protocol = protocol_of(via->protocol_name());
    if (protocol == 0xff) return;
    bool several = false, more = false, moved = false, news = false;
    const auto enough = tuned()->rungs.min_samples;
    {
        std::lock_guard lock(m->mutex);
        auto& record = m->rungs.at(protocol);
        record.evidence.round_trip(nanoseconds(rtt_ns));
        record.history.observe(nanoseconds(rtt_ns));
        if (const nanoseconds rtt(rtt_ns); !record.window_best.count() || rtt < record.window_best)
            record.window_best = rtt;
        const auto seen = record.evidence.snapshot();
        smoothed = seen.latency.count();
        for (auto& s : m->sessions)
            if (s.via == via) s.latency_ns = smoothed;
        several = m->sessions.size() > 1;
        more = several && seen.samples < enough && via->alive();
    }
    {
        std::lock_guard lock(m->info->mutex);
        auto& seen = m->info->protocols[via->protocol_name()];
        seen.latency_ns = smoothed;
        const bool known = seen.gauge.tier() != protocol_tier::unknown;
        moved = seen.gauge.round_trip(nanoseconds(rtt_ns)) && known;
        const auto off = std::abs(seen.latency_ns - seen.told_latency_ns);
        if (10 * off > 2 * seen.told_latency_ns) {  // by a fifth; a smaller change is no news
            seen.told_latency_ns = seen.latency_ns;
            news = true;
        }
        ++seen.samples;
        seen.verified_ns = m->info->last_seen_ns = clock_.wall_ns();
    }
    slot_ref place;
    {
        std::lock_guard lock(m->mutex);
        if (m->indexed) place = m->slot;
    }
    select_.note_round_trip(place, nanoseconds(rtt_ns));
    if (moved || news) protocols_changed(m);
    if (moved) tell_protocol_change(m, {sdk::concat("proto.", via->protocol_name(), ".tier")});
    // Where there is a choice, the first samples come one after another, so that it is soon an informed one.
    if (more) return ping(m, via);
    if (several) rerank(m, "the evidence changed");
}

}  // namespace sigrun

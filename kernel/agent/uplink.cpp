#include "kernel/agent/uplink.hpp"

#include "kernel/base/id.hpp"
#include "kernel/log/loggers.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <utility>

namespace sigrun {
namespace {

constexpr std::uint32_t k_longest_window_s = 8;
constexpr std::chrono::milliseconds k_move_window{1000};  // between tries to leave a link that still works
constexpr std::chrono::seconds k_leave_limit{30};         // for the controller to close what was left
constexpr std::size_t k_max_leaving = 64;

}  // namespace

uplink::uplink(plugin_host& host, std::vector<rung> rungs, nanoseconds rung_retry, std::weak_ptr<link_handler> handler,
               hooks with)
    : host_(host),
      rungs_(std::move(rungs)),
      rung_retry_(rung_retry),
      handler_(std::move(handler)),
      hooks_(std::move(with)),
      session_(id::make().text()),
      retry_(host.io()),
      stagger_(host.io()),
      better_(host.io()),
      memory_(rungs_.size()) {}

void uplink::on_io(std::function<void(uplink&)> what) {
    boost::asio::post(host_.io(), [weak = weak_from_this(), what = std::move(what)] {
        if (auto self = weak.lock()) what(*self);
    });
}

void uplink::start() {
    on_io([](uplink& me) { me.race(me.memory_.to_try(me.rungs_.size(), true, clock::system().now())); });
}

void uplink::stop() {
    on_io([](uplink& me) {
        me.stopped_ = true;
        me.retry_.cancel();
        me.better_.cancel();
        me.end_race();
        if (me.active_)
            if (auto via = me.active_->via.lock()) via->close();
        for (auto& l : me.leaving_)
            if (auto via = l.link->via.lock()) via->close();
        me.leaving_.clear();
        me.active_ = nullptr;
    });
}

bool uplink::working() const {
    auto via = active_ ? active_->via.lock() : nullptr;
    return via && via->alive();
}

// Offers may be on their way over it, and it alone knows when the last one was: the controller closes it.
void uplink::let_go(const agent_link_ptr& old) {
    auto limit = std::make_unique<boost::asio::steady_timer>(host_.io(), k_leave_limit);
    limit->async_wait([weak = weak_from_this(), old](boost::system::error_code ec) {
        auto self = weak.lock();
        if (!self || ec) return;
        std::erase_if(self->leaving_, [&](const leaving_link& l) { return l.link == old; });
        self->hooks_.replaced(old);
        if (auto via = old->via.lock()) via->close();
    });
    leaving_.push_back({old, std::move(limit)});
    if (leaving_.size() <= k_max_leaving) return;
    auto oldest = leaving_.front().link;
    leaving_.erase(leaving_.begin());
    hooks_.replaced(oldest);
    if (auto via = oldest->via.lock()) via->close();
}

void uplink::leave(const agent_link_ptr& which, const std::string& protocol) {
    on_io([which, protocol](uplink& me) {
        if (which != me.active_) {
            for (const auto& l : me.lanes_)
                if (l->link == which) l->due = true;
            return;
        }
        if (protocol == "auto") {
            me.pinned_ = false;
            return me.watch_for_better(nanoseconds(0));
        }
        auto to = me.active_index_;
        if (!protocol.empty()) {
            const auto at =
                std::find_if(me.rungs_.begin(), me.rungs_.end(), [&](const rung& r) { return r.name == protocol; });
            if (at == me.rungs_.end())
                return me.hooks_.refused(which, protocol, "this runner has no way to its controller over " + protocol);
            to = static_cast<std::size_t>(at - me.rungs_.begin());
            if (to == me.active_index_) {
                me.pinned_ = true;
                return;
            }
        }
        me.active_due_ = true;
        me.due_index_ = to;
        me.doubting_ = false;
        me.move_if_due();
    });
}

void uplink::replace(const std::shared_ptr<instance>& old, const std::shared_ptr<instance>& now) {
    on_io([old, now](uplink& me) {
        for (auto& r : me.rungs_)
            if (r.protocol == old) r.protocol = now;
    });
}

void uplink::leave_protocol(const std::shared_ptr<instance>& old) {
    on_io([old](uplink& me) {
        const auto is_old = [&](const agent_link_ptr& l) {
            auto via = l ? l->via.lock() : nullptr;
            return via && via->protocol() == old;
        };
        if (is_old(me.active_) && !me.active_due_) {
            me.active_due_ = true;
            me.due_index_ = me.active_index_;
            me.doubting_ = false;
        }
        for (const auto& l : me.lanes_) l->due = l->due || is_old(l->link);
        me.move_if_due();
    });
}

// Over that rung alone: the old link works meanwhile, and there is time to try again.
void uplink::move_if_due() {
    if (!active_ || !active_due_ || stopped_) return;
    // One that is on its way there goes on: the controller may have taken it for the one in use already.
    if (next_.empty() && lanes_.size() == 1 && lanes_.front()->rung == due_index_) return;
    end_race();
    race({due_index_});
}

void uplink::race_lost(const problem& why) {
    doubting_ = false;
    if (stopped_) return;
    if (active_ && active_due_ && due_index_ != active_index_) {
        active_due_ = false;
        hooks_.refused(active_, rungs_[due_index_].name, why.text());
        due_index_ = active_index_;
        return watch_for_better(rung_retry_);
    }
    if (active_ && active_due_) {
        retry_.expires_after(
            nanoseconds(random_u64() % static_cast<std::uint64_t>(nanoseconds(k_move_window).count())));
        retry_.async_wait([weak = weak_from_this()](boost::system::error_code ec) {
            if (auto self = weak.lock(); self && !ec) self->move_if_due();
        });
        return;
    }
    if (active_) return watch_for_better(rung_retry_);
    ++failures_;
    wait_and_retry();
}

void uplink::wait_and_retry() {
    if (stopped_) return;
    auto window =
        std::chrono::seconds(std::min(1u << std::min(failures_ > 0 ? failures_ - 1 : 0, 3u), k_longest_window_s));
    auto wait = nanoseconds(random_u64() % static_cast<std::uint64_t>(nanoseconds(window).count()));
    retry_.expires_after(wait);
    retry_.async_wait([weak = weak_from_this()](boost::system::error_code ec) {
        auto self = weak.lock();
        if (!self || ec || self->stopped_ || self->active_ || self->racing()) return;
        self->race(self->memory_.to_try(self->rungs_.size(), true, clock::system().now()));
    });
}

void uplink::watch_for_better(nanoseconds after) {
    if (stopped_ || !active_ || active_index_ == 0 || pinned_) return;
    better_.expires_after(after);
    better_.async_wait([weak = weak_from_this()](boost::system::error_code ec) {
        auto self = weak.lock();
        if (!self || ec || self->stopped_ || !self->active_ || self->racing() || self->pinned_) return;
        auto better = self->memory_.to_try(self->active_index_, false, clock::system().now());
        if (better.empty()) return self->watch_for_better(self->rung_retry_);
        self->race(better);
    });
}

void uplink::lost(const agent_link_ptr& which, const std::string& reason) {
    on_io([which, reason](uplink& me) {
        if (std::erase_if(me.leaving_, [&](const leaving_link& l) { return l.link == which; })) return;
        for (const auto& l : me.lanes_)
            if (l->link == which) return me.lane_failed(l, make_problem(errc::io, "the connection was lost"));
        if (which != me.active_) return;
        me.active_ = nullptr;
        me.active_due_ = me.pinned_ = false;
        me.memory_.failed(me.active_index_, clock::system().now());
        me.retry_.cancel();
        SIGRUN_LOG(logs::agent, warning, "lost ", me.rungs_[me.active_index_].uri, reason.empty() ? "" : ": ", reason);
        me.better_.cancel();
        // Those that answered need no longer wait for it.
        if (std::exchange(me.doubting_, false)) {
            const auto dialled = me.lanes_;
            for (const auto& l : dialled)
                if (l->link) me.enlist(l);
        }
        if (!me.racing()) return me.wait_and_retry();
        // A better rung is being tried: it may go on to all of them.
        for (auto rung : me.memory_.to_try(me.rungs_.size(), true, clock::system().now())) {
            const bool tried =
                std::any_of(me.lanes_.begin(), me.lanes_.end(), [&](const lane_ptr& l) { return l->rung == rung; });
            if (!tried && std::find(me.next_.begin(), me.next_.end(), rung) == me.next_.end()) me.next_.push_back(rung);
        }
        me.stagger_.cancel();
        me.start_lane();
    });
}

}  // namespace sigrun

#include "kernel/agent/uplink.hpp"

#include "kernel/base/id.hpp"
#include "kernel/log/log.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>

namespace sigrun {
namespace {

const auto k_log = logger::get("agent");
constexpr std::chrono::seconds k_register_deadline{10};
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
      deadline_(host.io()),
      better_(host.io()) {}

void uplink::on_io(std::function<void(uplink&)> what) {
    boost::asio::post(host_.io(), [weak = weak_from_this(), what = std::move(what)] {
        if (auto self = weak.lock()) what(*self);
    });
}

void uplink::start() {
    on_io([](uplink& me) {
        me.try_end_ = me.rungs_.size();
        me.try_rung(0);
    });
}

void uplink::stop() {
    on_io([](uplink& me) {
        me.stopped_ = true;
        ++me.attempt_;
        me.retry_.cancel();
        me.deadline_.cancel();
        me.better_.cancel();
        for (auto& l : {me.pending_, me.active_})
            if (l)
                if (auto via = l->via.lock()) via->close();
        for (auto& l : me.leaving_)
            if (auto via = l.link->via.lock()) via->close();
        me.leaving_.clear();
        me.pending_ = me.active_ = nullptr;
    });
}

void uplink::try_rung(std::size_t index) {
    if (stopped_) return;
    trying_ = true;
    trying_index_ = index;
    auto attempt = ++attempt_;
    const auto& to = rungs_[index];
    auto self = shared_from_this();
    dial(host_, to.protocol, {to.uri, "", ""}, handler_, [self, attempt](result<link_ptr> r) {
        if (!r) {
            auto why = r.error();
            self->on_io([attempt, why](uplink& me) { me.dialled(attempt, why); });
            return;
        }
        // Frames may follow at once, so the context is set here and not on the io thread.
        auto made = std::make_shared<agent_link>();
        made->via = *r;
        made->dialled = self;
        (*r)->set_context(made);
        (*r)->set_auth(self->hooks_.auth);
        self->on_io([attempt, made](uplink& me) { me.dialled(attempt, made); });
    });
}

void uplink::dialled(std::uint64_t attempt, const result<agent_link_ptr>& r) {
    auto via = r ? (*r)->via.lock() : nullptr;
    if (attempt != attempt_ || stopped_) {
        if (via) via->close();
        return;
    }
    if (!r) return next_rung(r.error());
    if (!via) return next_rung(make_problem(errc::io, "the connection ended at once"));
    pending_ = *r;
    // Its protocol may have been replaced while it was dialled.
    pending_due_ = via->protocol() != rungs_[trying_index_].protocol;
    auto weak = weak_from_this();
    deadline_.expires_after(k_register_deadline);
    deadline_.async_wait([weak, attempt](boost::system::error_code ec) {
        auto self = weak.lock();
        if (self && !ec) self->answered(attempt, make_problem(errc::timeout, "no answer to runners.register in 10 s"));
    });
    auto before = active_ && active_index_ == trying_index_ ? active_->via.lock() : nullptr;
    auto hello = hooks_.hello(session_, ++generation_, before && before->alive());
    via->call_once("runners.register", "", hello, [self = shared_from_this(), attempt](result<std::string> welcome) {
        self->on_io([attempt, welcome = std::move(welcome)](uplink& me) { me.answered(attempt, welcome); });
    });
}

void uplink::answered(std::uint64_t attempt, const result<std::string>& welcome) {
    if (attempt != attempt_ || stopped_ || !pending_) return;
    deadline_.cancel();
    ++attempt_;
    auto fresh = std::exchange(pending_, nullptr);
    const bool due = std::exchange(pending_due_, false);
    auto via = fresh->via.lock();
    if (!welcome || !via || !via->alive()) {
        auto why = welcome ? make_problem(errc::io, "the connection was lost right after the answer") : welcome.error();
        if (via) via->close();
        return next_rung(why);
    }
    auto old = std::exchange(active_, fresh);
    const bool same_rung = active_index_ == trying_index_;
    active_index_ = trying_index_;
    trying_ = false;
    failures_ = 0;
    active_due_ = due;
    hooks_.connected(fresh, rungs_[active_index_], *welcome);
    if (old && same_rung) {
        let_go(old);
    } else if (old) {
        hooks_.replaced(old);
        if (auto before = old->via.lock()) before->close();
    }
    watch_for_better();
    move_if_due();
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

void uplink::leave(const agent_link_ptr& which) {
    on_io([which](uplink& me) {
        if (which == me.active_)
            me.active_due_ = true;
        else if (which == me.pending_)
            me.pending_due_ = true;
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
        me.active_due_ = me.active_due_ || is_old(me.active_);
        me.pending_due_ = me.pending_due_ || is_old(me.pending_);
        me.move_if_due();
    });
}

// Not over another rung: the old link works meanwhile, and there is time to try again.
void uplink::move_if_due() {
    if (!active_ || !active_due_ || trying_ || stopped_) return;
    try_end_ = active_index_ + 1;
    try_rung(active_index_);
}

void uplink::next_rung(const problem& why) {
    const auto& tried = rungs_[trying_index_];
    bool refused = why.code == errc::unauthenticated || why.code == errc::forbidden;
    // Once per outage; a better rung that is still absent is normal.
    if (!active_ && failures_ == 0)
        SIGRUN_LOG(k_log, warning, tried.uri, ": ", why.text());
    else
        SIGRUN_LOG(k_log, debug, tried.uri, ": ", why.text());
    // A controller that refuses this runner is not asked again over another protocol at once.
    if (!refused && trying_index_ + 1 < try_end_) return try_rung(trying_index_ + 1);
    trying_ = false;
    if (active_ && active_due_) {
        retry_.expires_after(
            nanoseconds(random_u64() % static_cast<std::uint64_t>(nanoseconds(k_move_window).count())));
        retry_.async_wait([weak = weak_from_this()](boost::system::error_code ec) {
            if (auto self = weak.lock(); self && !ec) self->move_if_due();
        });
        return;
    }
    if (active_) return watch_for_better();
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
        if (!self || ec || self->stopped_ || self->active_ || self->trying_) return;
        self->try_end_ = self->rungs_.size();
        self->try_rung(0);
    });
}

void uplink::watch_for_better() {
    if (stopped_ || !active_ || active_index_ == 0) return;
    better_.expires_after(rung_retry_);
    better_.async_wait([weak = weak_from_this()](boost::system::error_code ec) {
        auto self = weak.lock();
        if (!self || ec || self->stopped_ || !self->active_ || self->trying_) return;
        self->try_end_ = self->active_index_;
        self->try_rung(0);
    });
}

void uplink::lost(const agent_link_ptr& which, const std::string& reason) {
    on_io([which, reason](uplink& me) {
        if (std::erase_if(me.leaving_, [&](const leaving_link& l) { return l.link == which; })) return;
        if (which == me.pending_) return me.answered(me.attempt_, make_problem(errc::io, "the connection was lost"));
        if (which != me.active_) return;
        me.active_ = nullptr;
        me.active_due_ = false;
        me.retry_.cancel();
        SIGRUN_LOG(k_log, warning, "lost ", me.rungs_[me.active_index_].uri, reason.empty() ? "" : ": ", reason);
        me.better_.cancel();
        if (me.trying_)
            me.try_end_ = me.rungs_.size();  // a better rung is being tried: it may go on to all of them
        else
            me.wait_and_retry();
    });
}

}  // namespace sigrun

// The ways to a controller are tried side by side, the better ones with a head start; the first that is welcomed is used.
#include "kernel/agent/uplink.hpp"
#include "kernel/log/loggers.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>

namespace sigrun {
namespace {

constexpr std::chrono::milliseconds k_head_start{250};
constexpr std::chrono::seconds k_connect_deadline{3};  // so that a dead port cannot hang it
constexpr std::chrono::seconds k_register_deadline{10};

}  // namespace

void uplink::race(const std::vector<std::size_t>& over) {
    next_.assign(over.begin(), over.end());
    start_lane();
}

void uplink::start_lane() {
    if (stopped_ || next_.empty()) return;
    auto made = std::make_shared<lane>();
    made->rung = next_.front();
    made->number = ++lane_count_;
    made->limit = std::make_unique<boost::asio::steady_timer>(host_.io());
    next_.pop_front();
    lanes_.push_back(made);
    limit_lane(made, k_connect_deadline, "no connection within 3 s");
    if (!next_.empty()) {
        stagger_.expires_after(k_head_start);
        stagger_.async_wait([weak = weak_from_this()](boost::system::error_code ec) {
            if (auto self = weak.lock(); self && !ec) self->start_lane();
        });
    }
    const auto& to = rungs_[made->rung];
    auto self = shared_from_this();
    dial(host_, to.protocol, {to.uri, "", ""}, handler_, [self, number = made->number](result<link_ptr> r) {
        if (!r) {
            auto why = r.error();
            self->on_io([number, why](uplink& me) { me.dialled(number, why); });
            return;
        }
        // Frames may follow at once, so the context is set here and not on the io thread.
        auto link = std::make_shared<agent_link>();
        link->via = *r;
        link->dialled = self;
        (*r)->set_context(link);
        (*r)->set_auth(self->hooks_.auth);
        // It holds the uplink: a link that comes after the end must still be closed by somebody.
        boost::asio::post(self->host_.io(), [self, number, link] { self->dialled(number, link); });
    });
}

uplink::lane_ptr uplink::lane_of(std::uint64_t number) const {
    for (const auto& l : lanes_)
        if (l->number == number) return l;
    return nullptr;
}

void uplink::limit_lane(const lane_ptr& l, nanoseconds limit, const std::string& why) {
    l->limit->expires_after(limit);
    l->limit->async_wait([weak = weak_from_this(), number = l->number, why](boost::system::error_code ec) {
        auto self = weak.lock();
        auto late = self && !ec ? self->lane_of(number) : nullptr;
        if (late) self->lane_failed(late, make_problem(errc::timeout, why));
    });
}

void uplink::dialled(std::uint64_t number, const result<agent_link_ptr>& r) {
    auto l = lane_of(number);
    auto via = r ? (*r)->via.lock() : nullptr;
    if (!l || stopped_) {
        if (via) via->close();
        return;
    }
    if (!r) return lane_failed(l, r.error());
    if (!via) return lane_failed(l, make_problem(errc::io, "the connection ended at once"));
    l->link = *r;
    // Its protocol may have been replaced while it was dialled.
    l->due = via->protocol() != rungs_[l->rung].protocol;
    doubting_ ? prove(l) : enlist(l);
}

void uplink::enlist(const lane_ptr& l) {
    auto via = l->link->via.lock();
    if (!via) return lane_failed(l, make_problem(errc::io, "the connection ended at once"));
    l->enlisted = true;
    limit_lane(l, k_register_deadline, "no answer to runners.register in 10 s");
    auto hello = hooks_.hello(l->link, session_, ++generation_, working() && !l->instead, welcomed_);
    via->call_once(
        "runners.register", "", hello, [self = shared_from_this(), number = l->number](result<std::string> welcome) {
            self->on_io([number, welcome = std::move(welcome)](uplink& me) { me.answered(number, welcome); });
        });
}

void uplink::answered(std::uint64_t number, const result<std::string>& welcome) {
    auto l = lane_of(number);
    if (!l || stopped_) return;
    if (!welcome) return lane_failed(l, welcome.error());
    auto via = l->link->via.lock();
    if (!via || !via->alive())
        return lane_failed(l, make_problem(errc::io, "the connection was lost right after the answer"));
    won(l, *welcome);
}

void uplink::lane_failed(lane_ptr l, const problem& why) {
    const auto& tried = rungs_[l->rung];
    const bool refused = why.code == errc::unauthenticated || why.code == errc::forbidden;
    const bool absent = why.code == errc::unsupported || why.code == errc::not_found;
    const auto now = clock::system().now();
    std::erase(lanes_, l);
    l->limit->cancel();
    if (l->link)
        if (auto via = l->link->via.lock()) via->close();
    if (absent)
        memory_.not_there(l->rung, now);
    else if (refused)
        memory_.given_up(l->rung, now);  // the way is good
    else
        memory_.failed(l->rung, now);
    // Once per outage; a better rung that is still absent is normal.
    if (!active_ && failures_ == 0)
        SIGRUN_LOG(logs::agent, warning, tried.uri, ": ", why.text());
    else
        SIGRUN_LOG(logs::agent, debug, tried.uri, ": ", why.text());
    // A controller that refuses this runner is not asked again over another protocol at once.
    if (refused) end_race();
    if (!next_.empty()) {
        stagger_.cancel();
        return start_lane();
    }
    if (lanes_.empty()) race_lost(why);
}

// Whatever is still under way is given up.
void uplink::end_race() {
    const auto now = clock::system().now();
    stagger_.cancel();
    for (auto rung : next_) memory_.given_up(rung, now);
    next_.clear();
    for (const auto& l : std::exchange(lanes_, {})) {
        memory_.given_up(l->rung, now);
        l->limit->cancel();
        if (l->link)
            if (auto via = l->link->via.lock()) via->close();
    }
}

void uplink::won(lane_ptr l, const std::string& welcome) {
    l->limit->cancel();
    std::erase(lanes_, l);
    end_race();
    memory_.won(l->rung, clock::system().now());
    auto old = std::exchange(active_, l->link);
    if (old && l->instead) {
        memory_.failed(active_index_, clock::system().now());
        hooks_.replaced(old);
        if (auto via = old->via.lock()) via->close(SIGRUN_E_TIMEOUT);
        old = nullptr;
    }
    if (active_due_ && due_index_ != active_index_ && due_index_ == l->rung) pinned_ = true;
    active_index_ = l->rung;
    active_due_ = l->due;
    due_index_ = l->rung;
    failures_ = 0;
    welcomed_ = true;
    hooks_.connected(l->link, rungs_[active_index_], welcome);
    if (old) let_go(old);
    watch_for_better(rung_retry_);
    move_if_due();
}

}  // namespace sigrun

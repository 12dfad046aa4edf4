// A link that does not answer while another way to the same controller does is left before it counts as lost. Nothing is
// moved for a stall of a moment, or of the controller itself: the other way must answer a ping, and the link in use must then
// stay silent for a little longer.
#include "kernel/agent/uplink.hpp"
#include "kernel/log/loggers.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace sigrun {
namespace {

constexpr std::chrono::seconds k_ping_deadline{2};
constexpr std::chrono::milliseconds k_grace{300};

}  // namespace

void uplink::doubt(const agent_link_ptr& which) {
    on_io([which](uplink& me) {
        if (me.stopped_ || which != me.active_ || me.doubting_ || me.active_due_) return;
        auto others = me.memory_.to_try(me.rungs_.size(), false, clock::system().now());
        std::erase(others, me.active_index_);
        if (others.empty()) return;
        SIGRUN_LOG(logs::agent, debug, me.rungs_[me.active_index_].uri, " does not answer; looking for another way");
        me.better_.cancel();
        me.doubting_ = true;
        // A better rung may be being tried: that goes on beside the others.
        for (auto rung : others) {
            const bool tried =
                std::any_of(me.lanes_.begin(), me.lanes_.end(), [&](const lane_ptr& l) { return l->rung == rung; });
            if (!tried && std::find(me.next_.begin(), me.next_.end(), rung) == me.next_.end()) me.next_.push_back(rung);
        }
        me.stagger_.cancel();
        me.start_lane();
    });
}

void uplink::trust(const agent_link_ptr& which) {
    on_io([which](uplink& me) {
        if (which != me.active_ || !std::exchange(me.doubting_, false)) return;
        me.end_race();
        me.watch_for_better(me.rung_retry_);
    });
}

// The connection stands; whether somebody answers over it?
void uplink::prove(const lane_ptr& l) {
    limit_lane(l, k_ping_deadline, "no answer to a ping in 2 s");
    auto via = l->link->via.lock();
    if (!via) return;
    via->ping([self = shared_from_this(), number = l->number](const result<buffer_ref>& r) {
        self->on_io([number, why = r ? std::optional<problem>() : std::optional(r.error())](uplink& me) {
            auto proven = me.lane_of(number);
            if (!proven || proven->enlisted || me.stopped_) return;
            if (why) return me.lane_failed(proven, *why);
            proven->limit->expires_after(k_grace);
            proven->limit->async_wait([weak = me.weak_from_this(), number](boost::system::error_code ec) {
                auto up = weak.lock();
                auto ready = up && !ec ? up->lane_of(number) : nullptr;
                if (ready && !ready->enlisted) up->take_over(ready);
            });
        });
    });
}

// The link in use is not waited for any more.
void uplink::take_over(const lane_ptr& l) {
    if (std::exchange(doubting_, false)) {
        SIGRUN_LOG(logs::agent, warning, rungs_[active_index_].uri, " is silent, and ", rungs_[l->rung].uri,
                   " answers");
        l->instead = true;
    }
    enlist(l);
}

}  // namespace sigrun

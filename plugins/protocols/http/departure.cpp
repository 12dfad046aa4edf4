#include "departure.hpp"

#include <algorithm>

namespace sigrun::http {
namespace {

constexpr auto k_last_call = std::chrono::seconds(2);  // before the deadline of a retirement
constexpr auto k_after_cut = std::chrono::seconds(3);  // for the host to close links that said BYE

/// When the orderly end begins: two seconds before the deadline, but not before three quarters of the time have passed.
time_point last_call_before(time_point until) {
    const auto left = until - clock::now();
    return until - std::min<std::chrono::nanoseconds>(k_last_call, std::max<std::chrono::nanoseconds>(left / 4, {}));
}

}  // namespace

departure::departure(const parts& of, manner how, time_point until, sdk::op done)
    : of_(of), how_(how), until_(until), last_call_(last_call_before(until)), done_(std::move(done)) {}

void departure::begin() {
    how_ == manner::drain ? of_.serving.drain() : of_.serving.retire();
    // Nothing to wait for is told at once, not at the loop's next tick.
    of_.loops.front()->post([self = shared_from_this()] {
        self->of_.departing.fetch_add(1);
        self->of_.loops.front()->add(self);
        self->tick(clock::now());
    });
}

std::size_t departure::left() const {
    // Connections that were taken but have not begun are no members yet; others are counted twice, which is no harm.
    std::size_t n = of_.serving.connections();
    if (how_ == manner::drain) return n;
    for (const auto& l : of_.loops) n += l->count();
    n -= std::min(n, of_.departing.load());
    return n;
}

void departure::tick(time_point now) {
    if (!done_) return;
    if (left() == 0) {
        done_.ok();
        return leave();
    }
    if (how_ == manner::drain) {
        if (now < until_) return;
        done_.ok();
        return leave();
    }
    if (state_ == open && now >= last_call_) {
        state_ = called;
        of_.serving.last_call();
    } else if (state_ == called && now >= until_) {
        state_ = cut_off;
        cut();
    } else if (state_ == cut_off && now >= until_ + k_after_cut) {
        done_.fail(SIGRUN_E_TIMEOUT,
                   sdk::concat("the deadline has passed; expected no connection or link to be left, found ", left()));
        leave();
    }
}

void departure::cut() {
    for (const auto& l : of_.loops)
        l->post([raw = l.get()] {
            raw->for_each([](const std::shared_ptr<ticking>& member) {
                if (!dynamic_cast<departure*>(member.get())) member->shut();
            });
        });
}

void departure::shut() {
    if (!done_) return;
    done_.fail(SIGRUN_E_CANCELLED, "the plugin is going away");
    leave();
}

void departure::leave() {
    of_.departing.fetch_sub(1);
    of_.loops.front()->remove(this);
}

}  // namespace sigrun::http

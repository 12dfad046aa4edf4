#include "kernel/link/breaker.hpp"

#include <algorithm>

namespace sigrun {

std::string_view to_string(breaker::state s) noexcept {
    switch (s) {
        case breaker::state::closed: return "closed";
        case breaker::state::open: return "open";
        case breaker::state::trial: return "trial";
        case breaker::state::absent: return "absent";
    }
    return "closed";
}

breaker::state breaker::at(time_point now) const noexcept {
    return state_ == state::trial && now >= until_ ? state::open : state_;
}

void breaker::open(time_point now, nanoseconds length) noexcept {
    state_ = state::open;
    length_ = length;
    until_ = now + length;
}

bool breaker::admit(time_point now) noexcept {
    switch (state_) {
        case state::closed: return true;
        case state::trial:
            if (now < until_) return false;
            given_up(now);  // nobody told how it ended
            return false;
        default:
            if (now < until_) return false;
            state_ = state::trial;
            until_ = now + k_trial_limit;
            return true;
    }
}

void breaker::connected() noexcept {
    if (state_ != state::closed) *this = {};
}

void breaker::worked() noexcept { *this = {}; }

void breaker::failed(time_point now) noexcept {
    if (state_ == state::trial) return open(now, std::min<nanoseconds>(2 * length_, k_longest_open));
    if (state_ != state::closed) return;  // a late word of what has opened it
    if (failures_++ == 0) first_failure_ = now;
    if (failures_ >= k_failures && now - first_failure_ >= k_span) open(now, k_first_open);
}

void breaker::given_up(time_point now) noexcept {
    if (state_ == state::trial) open(now, length_);
}

void breaker::not_here(time_point now) noexcept {
    *this = {};
    state_ = state::absent;
    until_ = now + k_absent;
}

}  // namespace sigrun

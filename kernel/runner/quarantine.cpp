#include "kernel/runner/quarantine.hpp"

#include "kernel/base/quantity.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>

namespace sigrun {

bool quarantine::fault(runner_fault kind, std::uint64_t document, bool others, std::string_view why, time_point now,
                       const quarantine_rules& rules) {
    const std::uint32_t limit = kind == runner_fault::refusal ? rules.refusals : rules.crashes;
    // Attempts that were under way when it was set aside say nothing new.
    if (phase_ == phase::out || !limit) return false;
    std::erase_if(marks_, [&](const mark& m) { return m.at + rules.window < now; });
    const auto same_kind = [&](const mark& m) { return m.kind == kind; };
    if (kind == runner_fault::crash && phase_ == phase::none) {
        const auto last = std::find_if(marks_.rbegin(), marks_.rend(), same_kind);
        if (last != marks_.rend() && now < last->at + k_one_event) return false;
    }
    marks_.push_back({kind, document, now});
    auto count = static_cast<std::uint32_t>(std::count_if(marks_.begin(), marks_.end(), same_kind));
    if (count > limit) {
        // It was spared before, and is not to be remembered for ever for that.
        marks_.erase(std::find_if(marks_.begin(), marks_.end(), same_kind));
        --count;
    }
    if (phase_ == phase::none && count < limit) return false;
    const bool one_document = std::all_of(marks_.begin(), marks_.end(),
                                          [&](const mark& m) { return m.kind != kind || m.document == document; });
    if (one_document && !others) return false;
    if (phase_ == phase::none && good_since_ != time_point{} && good_since_ + rules.longest < now) times_ = 0;
    const auto longest = std::max(rules.longest, rules.pause);
    lasts_ = rules.pause;
    for (std::uint32_t i = 0; i < times_ && lasts_ < longest; ++i) lasts_ *= 2;
    lasts_ = std::min(lasts_, longest);
    ++times_;
    until_ = now + lasts_;
    const auto what =
        kind == runner_fault::refusal ? "it refused what it was offered" : "attempts on it failed for its own fault";
    reason_ = phase_ == phase::trial
                  ? sdk::concat("on trial ", what, ": ", why)
                  : sdk::concat(what, ", ", count, " times within ", format_duration(rules.window), ", at last: ", why);
    phase_ = phase::out;
    marks_.clear();
    return true;
}

bool quarantine::good(time_point now) noexcept {
    if (phase_ == phase::out) return false;
    marks_.clear();
    if (phase_ == phase::none) return false;
    phase_ = phase::none;
    good_since_ = now;
    return true;
}

bool quarantine::try_again(time_point now) noexcept {
    if (phase_ != phase::out || now < until_) return false;
    phase_ = phase::trial;
    return true;
}

bool quarantine::lift() noexcept {
    const bool was = phase_ != phase::none;
    phase_ = phase::none;
    marks_.clear();
    times_ = 0;
    return was;
}

}  // namespace sigrun

#include "kernel/job/run_group.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace sigrun {
namespace {

constexpr std::array<std::string_view, 4> k_policies{"queue", "cancel_running", "cancel_waiting", "refuse"};

nanoseconds span_of(const group_rules& rules, double jobs) {
    return nanoseconds(static_cast<std::int64_t>(std::llround(jobs * 1e9 / rules.rate)));
}

}  // namespace

std::string_view to_string(group_policy p) noexcept { return k_policies[static_cast<std::size_t>(p)]; }

std::uint32_t run_group::limit_now(std::uint32_t max) const {
    // Who says nothing gets what the configuration says, or wants to be alone.
    const auto wish = [this](std::uint32_t said) { return said ? said : rules_.max ? rules_.max : 1; };
    std::uint32_t limit = rules_.max ? std::min(rules_.max, wish(max)) : wish(max);
    for (const auto& [said, count] : limits_) {
        limit = std::min(limit, wish(said));
        if (said) break;  // those that follow allow more
    }
    return limit;
}

bool run_group::full_for(std::uint32_t max) const { return inside_.size() >= limit_now(max); }

// Until when the rate lets nobody in. Each one who is let in moves the time when it would forget by 1/rate; it may lie
// `burst` of them ahead (the generic cell rate algorithm).
std::optional<time_point> run_group::held_back(time_point now) const {
    if (rules_.rate <= 0) return std::nullopt;
    const auto at = full_again_ - span_of(rules_, std::max(rules_.burst, 1u) - 1.0);
    return at > now ? std::optional(at) : std::nullopt;
}

void run_group::enter(const job_in_group& who) {
    if (!inside_.try_emplace(who.job, place{next_++, who.max}).second) return;
    ++limits_[who.max];
}

void run_group::line_up(const job_in_group& who) {
    std::lock_guard lock(mutex_);
    if (inside_.contains(who.job) || !in_line_.try_emplace(who.job, who).second) return;
    line_.insert(who);
}

void run_group::put_in(const job_in_group& who) {
    std::lock_guard lock(mutex_);
    if (auto waits = in_line_.find(who.job); waits != in_line_.end()) {
        line_.erase(waits->second);
        in_line_.erase(waits);
    }
    enter(who);
}

bool run_group::try_in(const job_in_group& who, time_point now) {
    std::lock_guard lock(mutex_);
    if (!line_.empty() || full_for(who.max) || held_back(now)) return false;
    enter(who);
    if (rules_.rate > 0) full_again_ = std::max(full_again_, now) + span_of(rules_, 1);
    return true;
}

bool run_group::leave(const id& job) {
    std::lock_guard lock(mutex_);
    if (auto waits = in_line_.find(job); waits != in_line_.end()) {
        line_.erase(waits->second);
        in_line_.erase(waits);
    }
    const auto there = inside_.find(job);
    if (there == inside_.end()) return false;
    if (auto said = limits_.find(there->second.max); said != limits_.end() && --said->second == 0) limits_.erase(said);
    inside_.erase(there);
    return true;
}

run_group::admission run_group::admit(time_point now) {
    admission out;
    std::lock_guard lock(mutex_);
    while (!line_.empty()) {
        const job_in_group first = *line_.begin();
        if (full_for(first.max)) break;
        if (out.again = held_back(now); out.again) break;
        line_.erase(line_.begin());
        in_line_.erase(first.job);
        enter(first);
        if (rules_.rate > 0) full_again_ = std::max(full_again_, now) + span_of(rules_, 1);
        out.in.push_back(first.job);
    }
    return out;
}

void run_group::set_rules(const group_rules& rules) {
    std::lock_guard lock(mutex_);
    if (rules_.rate != rules.rate) full_again_ = {};  // counted in other steps
    rules_ = rules;
}

std::vector<id> run_group::inside() const {
    std::vector<std::pair<std::uint64_t, id>> by_age;
    {
        std::lock_guard lock(mutex_);
        for (const auto& [job, at] : inside_) by_age.emplace_back(at.number, job);
    }
    std::sort(by_age.begin(), by_age.end());
    std::vector<id> out;
    for (const auto& [number, job] : by_age) out.push_back(job);
    return out;
}

std::vector<id> run_group::line() const {
    std::vector<id> out;
    std::lock_guard lock(mutex_);
    for (const auto& who : line_) out.push_back(who.job);
    return out;
}

std::uint32_t run_group::limit_for(std::uint32_t max) const {
    std::lock_guard lock(mutex_);
    return limit_now(max);
}

std::pair<std::size_t, std::size_t> run_group::standing(const id& job) const {
    std::lock_guard lock(mutex_);
    const auto waits = in_line_.find(job);
    const auto before = waits == in_line_.end() ? 0 : std::distance(line_.begin(), line_.find(waits->second));
    return {inside_.size(), static_cast<std::size_t>(before)};
}

group_ptr run_groups::find(std::string_view tenant, std::string_view name) {
    std::lock_guard lock(mutex_);
    auto& known = groups_[{std::string(tenant), std::string(name)}];
    if (auto group = known.lock()) return group;
    auto made = std::make_shared<run_group>(std::string(tenant), std::string(name));
    if (auto rules = rules_.find(name); rules != rules_.end()) made->set_rules(rules->second);
    known = made;
    // Those that nobody holds go at a cost that doubles away.
    if (groups_.size() >= sweep_at_) {
        std::erase_if(groups_, [](const auto& each) { return each.second.expired(); });
        sweep_at_ = std::max<std::size_t>(64, 2 * groups_.size());
    }
    return made;
}

std::vector<group_ptr> run_groups::set_rules(rules_by_name rules) {
    std::vector<group_ptr> all;
    std::lock_guard lock(mutex_);
    rules_ = std::move(rules);
    for (auto& [key, weak] : groups_) {
        auto group = weak.lock();
        if (!group) continue;
        const auto named = rules_.find(group->name);
        group->set_rules(named == rules_.end() ? group_rules() : named->second);
        all.push_back(std::move(group));
    }
    return all;
}

}  // namespace sigrun

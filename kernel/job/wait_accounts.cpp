#include "kernel/job/wait_accounts.hpp"

#include <algorithm>

namespace sigrun {

// The generic cell rate algorithm: each submit moves the time when all would be forgotten by 1/rate, and that may lie `burst` of
// them ahead. More than a burst at once is let in when nothing is to be forgotten any more.
nanoseconds wait_account::take(time_point now, std::uint32_t n) noexcept {
    const double per_second = rate.load(std::memory_order_relaxed);
    if (per_second <= 0 || n == 0) return nanoseconds(0);
    const auto span = [per_second](double submits) {
        return nanoseconds(static_cast<std::int64_t>(std::min(submits * 1e9 / per_second, 1e18)));
    };
    const double room = std::max<double>(burst.load(std::memory_order_relaxed), 1);
    auto before = full_again.load(std::memory_order_relaxed);
    for (;;) {
        const auto from = std::max(before, now);
        const auto late = (from - now) - span(std::max(room - n, 0.0));
        if (late.count() > 0) return late;
        if (full_again.compare_exchange_weak(before, from + span(n), std::memory_order_relaxed)) return nanoseconds(0);
    }
}

void wait_accounts::apply(wait_account& a) const {
    const auto named = named_.find(a.name);
    const account_rules& rules = named == named_.end() ? others_ : named->second;
    a.weight = std::max(rules.weight, 1u);
    a.most = rules.most;
    a.burst = std::max(rules.burst, 1u);
    if (a.rate.exchange(rules.rate) != rules.rate) a.full_again = time_point{};  // counted in other steps
}

account_ptr wait_accounts::find(std::string_view name) {
    std::lock_guard lock(mutex_);
    auto& known = accounts_[std::string(name)];
    if (auto account = known.lock()) return account;
    auto made = std::make_shared<wait_account>(std::string(name), next_++);
    apply(*made);
    known = made;
    // Those that nobody holds go at a cost that doubles away.
    if (accounts_.size() >= sweep_at_) {
        std::erase_if(accounts_, [](const auto& each) { return each.second.expired(); });
        sweep_at_ = std::max<std::size_t>(64, 2 * accounts_.size());
    }
    return made;
}

std::vector<std::pair<std::string, std::uint64_t>> wait_accounts::waiting(std::size_t most) const {
    std::vector<std::pair<std::string, std::uint64_t>> out;
    std::uint64_t others = 0;
    std::lock_guard lock(mutex_);
    for (const auto& [name, rules] : named_) {
        if (out.size() == most) break;
        out.emplace_back(name, 0);
    }
    for (const auto& [name, weak] : accounts_) {
        const auto account = weak.lock();
        if (!account) continue;
        const auto waits = account->waiting.load(std::memory_order_relaxed);
        const auto known =
            std::find_if(out.begin(), out.end(), [&, &n = name](const auto& each) { return each.first == n; });
        (known == out.end() ? others : known->second) += waits;
    }
    out.emplace_back("", others);
    return out;
}

void wait_accounts::set_rules(account_rules others, rules_by_name named) {
    std::lock_guard lock(mutex_);
    others_ = others;
    named_ = std::move(named);
    for (auto& [name, weak] : accounts_)
        if (auto account = weak.lock()) apply(*account);
}

}  // namespace sigrun

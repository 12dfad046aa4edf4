#include "kernel/agent/path_watch.hpp"

#include "kernel/base/id.hpp"

#include <algorithm>
#include <utility>

namespace sigrun {
namespace {

constexpr std::chrono::minutes k_apart{5};
constexpr std::chrono::hours k_transfers_apart{24};
// After a refusal by a controller that others measure: a fleet comes back at once, and it takes two runners a second.
constexpr std::chrono::minutes k_busy{5};

/// 10 % more or less, so that a fleet does not do it at one moment.
nanoseconds about(nanoseconds t) {
    const auto tenth = static_cast<std::uint64_t>(t.count() / 10);
    return t - nanoseconds(tenth) + nanoseconds(random_u64() % (2 * tenth));
}

bool is_busy(const std::optional<result<double>>& rate) { return rate && !*rate && rate->error().code == errc::busy; }

}  // namespace

void path_watch::look(const link_ptr& over, bool idle, std::function<void()> measured) {
    path_request what;
    {
        std::lock_guard lock(mutex_);
        const auto now = clock_.now();
        what.transfers = idle && now >= next_transfer_;
        if (running_ || (now < next_ && !what.transfers)) return;
        running_ = true;
    }
    measure_path(io_, over, what,
                 [weak = weak_from_this(), what, measured = std::move(measured)](const path_figures& found) {
                     auto self = weak.lock();
                     if (!self) return;
                     self->take(found, what.transfers);
                     measured();
                 });
}

void path_watch::take(const path_figures& found, bool transfers) {
    auto facts = path_facts(found, clock_.wall_ns());
    std::lock_guard lock(mutex_);
    running_ = false;
    const auto now = clock_.now();
    next_ = now + about(k_apart);
    if (transfers) next_transfer_ = now + about(is_busy(found.up) || is_busy(found.down) ? k_busy : k_transfers_apart);
    // What was not measured this time stays as it was.
    for (auto& old : known_) {
        const bool again = std::any_of(facts.begin(), facts.end(), [&](const fact& f) { return f.key == old.key; });
        if (!again) facts.push_back(std::move(old));
    }
    known_ = std::move(facts);
}

void path_watch::complete(std::vector<fact>& facts) const {
    std::lock_guard lock(mutex_);
    for (const auto& f : known_) {
        std::erase_if(facts, [&](const fact& other) { return other.key == f.key && other.method != "declared"; });
        if (std::none_of(facts.begin(), facts.end(), [&](const fact& other) { return other.key == f.key; }))
            facts.push_back(f);
    }
}

}  // namespace sigrun

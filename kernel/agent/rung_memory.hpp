// What an agent remembers of its ways to one controller: which one worked last, which are in trouble. Pure, for one thread.
#pragma once

#include "kernel/link/breaker.hpp"

#include <cstddef>
#include <optional>
#include <vector>

namespace sigrun {

class rung_memory {
public:
    static constexpr std::chrono::hours k_winner_for{1};

    explicit rung_memory(std::size_t rungs) : gates_(rungs) {}

    /// Rungs to be tried now out of 0..end, in this order: the winner of the last hour, then best first. A rung whose breaker
    /// is open waits for its trial, unless all are and one is needed: then it is the controller that cannot be reached, and
    /// all are tried.
    std::vector<std::size_t> to_try(std::size_t end, bool needed, time_point now);
    void won(std::size_t rung, time_point now);
    void failed(std::size_t rung, time_point now) { gates_[rung].failed(now); }
    void not_there(std::size_t rung, time_point now) { gates_[rung].not_here(now); }
    /// It was not waited for: another one was faster.
    void given_up(std::size_t rung, time_point now) { gates_[rung].given_up(now); }
    const breaker& gate(std::size_t rung) const { return gates_[rung]; }

private:
    std::vector<breaker> gates_;
    std::optional<std::size_t> winner_;
    time_point won_at_{};
};

}  // namespace sigrun

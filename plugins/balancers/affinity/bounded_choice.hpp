// Rendezvous hashing with bounded load: the first runners in the order of a key that are not loaded beyond their share.
// One thread's.
#pragma once

#include "feasible_set.hpp"

#include <sigrun/cpp/idle_choice.hpp>

#include <vector>

namespace sigrun::affinity {

class bounded_choice {
public:
    explicit bounded_choice(double bound) : bound_(bound), sets_(k_sets), memo_(k_memos) {}
    void pick(const sigrun_view& view, const sigrun_req& req, const std::uint64_t* pages, sigrun_pick& out) noexcept;

private:
    static constexpr std::size_t k_sets = 64;     // kinds of requests; more of them push each other out
    static constexpr std::size_t k_memos = 4096;  // keys whose ranking is remembered, in rows of four
    static constexpr std::size_t k_row = 4;

    struct memo {
        std::uint64_t key = 0, build = 0, made = 0;
        ranking order;
    };
    feasible_set& set_of(const sigrun_view& view, const sigrun_req& req, const std::uint64_t* pages) noexcept;
    const ranking& order_of(const sigrun_view& view, const sigrun_req& req, const std::uint64_t* pages,
                            const feasible_set& set) noexcept;
    bool may_take(const sigrun_view& view, const feasible_set& set, std::uint32_t slot, bool explore) const noexcept;
    std::uint32_t draw_within(const sigrun_view& view, const std::uint64_t* pages, const feasible_set& set,
                              sdk::idle_choice& idle, sdk::bit_source& bits, const sigrun_pick& taken) const noexcept;
    void spill(const sigrun_view& view, const sigrun_req& req, const std::uint64_t* pages, const feasible_set* set,
               sigrun_pick& out) const noexcept;

    const double bound_;
    member_table members_;
    std::uint64_t builds_ = 0, made_ = 0;
    std::size_t next_victim_ = 0;
    std::vector<feasible_set> sets_;
    std::vector<memo> memo_;
};

}  // namespace sigrun::affinity

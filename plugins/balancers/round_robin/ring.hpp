// One thread's walks around the fleet: for each kind of request it remembers where it stopped. No locks, no
// allocation after construction; used by one thread.
#pragma once

#include "protocol_weights.hpp"

#include <sigrun/cpp/fleet_view.hpp>

#include <vector>

namespace sigrun::round_robin {

class ring {
public:
    explicit ring(const protocol_weights& weights) : weights_(weights), cursors_(k_cursors) {}
    void pick(const sigrun_view& view, const sigrun_req& req, const std::uint64_t* pages, sigrun_pick& out) noexcept;

private:
    /// More kinds of requests than this share cursors; whoever comes back then starts at a random place
    /// again.
    static constexpr std::size_t k_cursors = 1024;

    struct cursor {
        std::uint32_t pred_id = 0;
        std::uint16_t protos = 0;
        bool used = false, started = false;
        std::uint64_t epoch = 0;
        std::uint64_t heaviest = 1;          // effective weight that counts as k_full
        std::uint64_t heaviest_of_turn = 0;  // so far
        std::uint32_t slot = 0;              // the last one taken
        std::uint32_t turn = 0;              // how often the walk has come round
        std::uint32_t cohort = ~0u;          // whose share is kept in `share`, within one epoch
        std::uint32_t share = 0;
    };
    struct walk {
        const sigrun_view& view;
        const std::uint64_t* pages;
        std::uint16_t protos;
        std::uint32_t words;
    };

    std::uint64_t weight_of(const walk& w, std::uint32_t page) const noexcept;
    /// The weight of a page's slots, k_full for the heaviest; 0 if the request cannot use them. Views change often, and a
    /// look at all pages takes long: weights are noticed where the walk comes by.
    std::uint32_t scaled(const walk& w, cursor& c, std::uint32_t page) const noexcept;
    void survey(const walk& w, cursor& c) const noexcept;
    static void come_round(cursor& c) noexcept;
    bool start(const walk& w, cursor& c, std::uint64_t rng) const noexcept;
    bool advance(const walk& w, cursor& c) const noexcept;
    bool advance_in_page(const walk& w, cursor& c) const noexcept;

    const protocol_weights& weights_;
    std::vector<cursor> cursors_;
};

}  // namespace sigrun::round_robin

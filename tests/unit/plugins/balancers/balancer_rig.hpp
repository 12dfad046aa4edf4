// A balancer plugin that was loaded as the host loads it, asked through its table; and what its picks are judged by.
#pragma once

#include "unit/plugins/balancers/made_fleet.hpp"

#include <sigrun/cpp/mock_host.hpp>

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace sigrun::test {

class balancer_rig {
public:
    explicit balancer_rig(const std::string& component, const std::map<std::string, std::string>& options = {})
        : instance_(host_.start(host_.create(component, options))),
          table_(
              static_cast<const sigrun_balancer*>(instance_->get_interface(instance_, sdk::str(SIGRUN_KIND_BALANCER)))),
          tls_(table_->thread_init(instance_, 1)) {}
    ~balancer_rig() { table_->thread_fini(instance_, tls_); }
    balancer_rig(const balancer_rig&) = delete;
    balancer_rig& operator=(const balancer_rig&) = delete;

    const sigrun_balancer& table() const { return *table_; }
    /// From here on it picks as a thread does that has never picked.
    void restart() {
        table_->thread_fini(instance_, tls_);
        tls_ = table_->thread_init(instance_, 1);
    }
    /// The random bits of the picks to come.
    void seed(std::uint64_t s) { random_.seed(s); }

    sigrun_req request() {
        sigrun_req req{};
        req.pred_id = 1;
        req.protos = 0xffff;
        req.want_k = 1;
        req.now_ns = now_ns;
        req.rng = random_();
        return req;
    }
    sigrun_pick pick(const made_fleet& fleet, const sigrun_req& req) {
        sigrun_pick out{};
        const std::uint32_t placed = table_->pick(tls_, &fleet.view(), &req, 1, fleet.feasible.data(), &out);
        EXPECT_EQ(placed, out.n ? 1u : 0u);
        for (unsigned i = 0; i < out.n; ++i) {
            EXPECT_TRUE(fleet.can_take(out.slot[i])) << out.slot[i];
            for (unsigned k = 0; k < i; ++k) EXPECT_NE(out.slot[i], out.slot[k]);
        }
        return out;
    }
    sigrun_pick pick(const made_fleet& fleet, std::uint16_t want = 1, std::uint16_t flags = 0) {
        sigrun_req req = request();
        req.want_k = want;
        req.flags = flags;
        return pick(fleet, req);
    }
    void done(const sigrun_done& d) {
        if (table_->done) table_->done(tls_, &d, 1);
    }
    std::uint64_t now_ns = 1'000'000'000;

private:
    sdk::mock_host host_;
    sigrun_instance* instance_;
    const sigrun_balancer* table_;
    void* tls_;
    std::mt19937_64 random_{1};
};

/// Counts per slot against what each should have, in any unit.
inline double chi_square(const std::map<std::uint32_t, int>& seen, const std::map<std::uint32_t, double>& share) {
    double picks = 0, total = 0, sum = 0;
    for (const auto& [slot, n] : seen) {
        picks += n;
        if (!share.contains(slot)) return INFINITY;
    }
    for (const auto& [slot, s] : share) total += s;
    for (const auto& [slot, s] : share) {
        const double expected = s / total * picks, n = seen.contains(slot) ? seen.at(slot) : 0;
        sum += (n - expected) * (n - expected) / expected;
    }
    return sum;
}
/// What chi_square exceeds by chance once in 1000 runs (Wilson and Hilferty's approximation).
inline double chi_square_limit(std::size_t shares) {
    const double df = static_cast<double>(shares) - 1, x = 2 / (9 * df);
    return df * std::pow(1 - x + 3.0902 * std::sqrt(x), 3);
}
#define EXPECT_SHARES(seen, share) EXPECT_LT(chi_square(seen, share), chi_square_limit((share).size()))

/// The same for each runner that can take a job.
inline std::map<std::uint32_t, double> equal_shares(const made_fleet& fleet) {
    std::map<std::uint32_t, double> out;
    for (std::uint32_t slot : fleet.runners())
        if (fleet.can_take(slot)) out[slot] = 1;
    return out;
}
/// How often each slot is picked when every job is over at once.
inline std::map<std::uint32_t, int> count_picks(balancer_rig& rig, const made_fleet& fleet, int picks,
                                                std::uint16_t flags = 0) {
    std::map<std::uint32_t, int> out;
    for (int i = 0; i < picks; ++i)
        if (const auto got = rig.pick(fleet, 1, flags); got.n) ++out[got.slot[0]];
    return out;
}
/// The first pick after each of `restarts` restarts.
inline std::map<std::uint32_t, int> first_picks(balancer_rig& rig, const made_fleet& fleet, int restarts) {
    std::map<std::uint32_t, int> out;
    for (int i = 0; i < restarts; ++i) {
        rig.restart();
        if (const auto got = rig.pick(fleet); got.n) ++out[got.slot[0]];
    }
    return out;
}
/// Full pages, pages with a lonely runner, and gaps: n pages of each.
inline void add_uneven_pages(made_fleet& fleet, int n, const made_fleet::kind& k = {}) {
    for (int i = 0; i < n; ++i) {
        fleet.page(~0ull, k);
        fleet.page(1ull << (7 * i % 64), k);
        fleet.page(0, k);
        fleet.page(0x8000'0101'0000'0003u, k);
    }
}

}  // namespace sigrun::test

// A pick allocates nothing while the fleet does not grow.
#include "unit/plugins/balancers/affinity/this_plugin.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

namespace {

thread_local std::size_t allocations = 0;

}  // namespace

[[gnu::noinline]] void* operator new(std::size_t n) {
    ++allocations;
    if (void* p = std::malloc(n ? n : 1)) return p;
    throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }

namespace {

using namespace sigrun;
using namespace sigrun::test;

TEST(affinity, a_pick_allocates_nothing) {
    affinity_plugin p;
    hand_kept_fleet fleet;
    fleet.add(900, {3}, 1);
    p.pick(fleet, 1);
    const std::size_t before = allocations;
    for (std::uint64_t i = 0; i < 3000; ++i) {
        const sigrun_pick got = p.pick(fleet, i % 700, 4, 0, static_cast<std::uint32_t>(1 + i % 90));
        if (got.n && i % 3) fleet.claim(got.slot[0]);
        if (i % 500 == 499) fleet.remove(static_cast<std::uint32_t>(i / 5));
    }
    EXPECT_EQ(allocations, before);
    fleet.add(5000, {3}, 10'000);
    p.pick(fleet, 1);
    EXPECT_GT(allocations, before);  // the counter counts
}

}  // namespace

#include "kernel/base/rfc3339.hpp"

#include "kernel/base/clock.hpp"

#include <gtest/gtest.h>

namespace {

using namespace sigrun;

constexpr std::int64_t k_s = 1'000'000'000, k_2026 = 1'767'225'600 * k_s;

TEST(rfc3339, reads_back_what_is_written) {
    EXPECT_EQ(parse_rfc3339(to_rfc3339(k_2026 + 123'000'000)), k_2026 + 123'000'000);
    EXPECT_EQ(parse_rfc3339("1970-01-01T00:00:00Z"), 0);
}

TEST(rfc3339, knows_zones_and_fractions) {
    EXPECT_EQ(parse_rfc3339("2026-01-01T01:00:00+01:00"), k_2026);
    EXPECT_EQ(parse_rfc3339("2025-12-31T23:30:00-00:30"), k_2026);
    EXPECT_EQ(parse_rfc3339("2026-01-01T00:00:00.000000001Z"), k_2026 + 1);
}

TEST(rfc3339, refuses_everything_else) {
    for (const char* bad : {"", "tomorrow", "2026-01-01", "2026-01-01T00:00:00", "2026-02-30T00:00:00Z",
                            "2026-01-01T24:00:00Z", "2026-01-01T00:00:00+1:00", "2026-01-01T00:00:00Zx",
                            "1969-12-31T23:59:59Z", "2262-01-01T00:00:00Z", "2026-01-01T00:00:00."})
        EXPECT_FALSE(parse_rfc3339(bad)) << bad;
}

}  // namespace

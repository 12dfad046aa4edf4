// What a balancer is given to read while it is recorded.
#include "kernel/select/recording/view_image.hpp"

#include <gtest/gtest.h>

#include <array>

namespace {

using namespace sigrun;

/// Arrays with more pages and cohorts than the view tells of, as when others add some meanwhile.
struct growing_fleet {
    std::array<std::uint64_t, 256> hot{}, identity{};
    std::array<std::uint64_t, 4> idle{~0ull, ~0ull, ~0ull, ~0ull};
    std::array<std::uint64_t, 1> any{0b1111}, feasible{0b1111};
    std::array<std::uint32_t, 4> page_cohort{0, 0, 1, 1};
    std::array<sigrun_cohort, 2> cohort{};

    sigrun_view view(std::uint32_t pages, std::uint32_t cohorts) const {
        sigrun_view v{};
        v.struct_size = sizeof v;
        v.epoch = 1;
        v.hot = hot.data();
        v.identity = identity.data();
        for (auto& plane : v.idle) plane = idle.data();
        for (auto& plane : v.page_any) plane = any.data();
        v.page_cohort = page_cohort.data();
        v.cohort = cohort.data();
        v.n_pages = pages;
        v.n_slots = pages * 64;
        v.n_cohorts = cohorts;
        v.page_shift = 6;
        return v;
    }
    void copy_to(view_image& image, const sigrun_view& live) const {
        image.set_shape(view_image::shape_of(live));
        image.follow(live, feasible.data(), [](std::uint16_t, std::uint32_t, std::uint64_t) {});
    }
};

TEST(view_image, pages_that_came_since_are_left_out) {
    growing_fleet fleet;
    view_image image(false);
    fleet.copy_to(image, fleet.view(3, 2));
    EXPECT_TRUE(image.sound());
    EXPECT_EQ(image.feasible()[0], 0b111u);
    for (const auto* plane : image.view().page_any) EXPECT_EQ(plane[0], 0b111u);
}

TEST(view_image, a_page_of_a_cohort_that_came_since_is_feasible_for_nobody) {
    growing_fleet fleet;
    view_image image(false);
    fleet.copy_to(image, fleet.view(4, 1));
    EXPECT_TRUE(image.sound());
    EXPECT_EQ(image.feasible()[0], 0b0011u);
    for (std::uint32_t page = 0; page < 4; ++page) EXPECT_EQ(image.view().page_cohort[page], 0u);
}

TEST(view_image, what_is_there_is_copied_and_only_changes_are_told) {
    growing_fleet fleet;
    view_image image(false);
    const sigrun_view live = fleet.view(4, 2);
    fleet.copy_to(image, live);
    EXPECT_TRUE(image.sound());
    EXPECT_EQ(image.feasible()[0], 0b1111u);
    EXPECT_EQ(image.view().page_cohort[3], 1u);
    fleet.hot[70] = 5;
    int told = 0;
    image.follow(live, fleet.feasible.data(), [&](std::uint16_t section, std::uint32_t index, std::uint64_t value) {
        ++told;
        EXPECT_EQ(section, view_image::k_hot);
        EXPECT_EQ(index, 70u);
        EXPECT_EQ(value, 5u);
    });
    EXPECT_EQ(told, 1);
}

}  // namespace

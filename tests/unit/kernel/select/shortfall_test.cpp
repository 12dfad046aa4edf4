// What is said of machines that do not satisfy a requirement.
#include "fleet.hpp"
#include "kernel/base/clock.hpp"

#include <gtest/gtest.h>

namespace sigrun::test {
namespace {

using kind = requirement::shortfall::kind;
constexpr std::uint64_t k_GiB = 1ull << 30;

requirement::shortfall missing(const machine& m, std::string_view text) {
    const auto r = compiled(text);
    const auto facts = m.facts();
    const auto labels = m.labels();
    return r->term_shortfall(0, {facts.get(), labels.get()});
}
json::value gpus(std::initializer_list<std::uint64_t> gib) {
    json::array out;
    for (auto each : gib) out.push_back(json::object{{"model", "T"}, {"memory_bytes", each * k_GiB}});
    return out;
}

constexpr const char* k_gpu = "any(g in gpu, g.memory_bytes >= 40GiB)";

TEST(shortfall, there_is_none_where_the_term_holds) {
    EXPECT_EQ(missing(machine().set("gpu", gpus({80})), k_gpu).what, kind::none);
    EXPECT_EQ(compiled(k_gpu)->term_shortfall(7, {}).what, kind::none);
}

TEST(shortfall, of_several_the_nearest_is_told) {
    const auto m = missing(machine().set("gpu", gpus({8, 24, 16})), k_gpu);
    EXPECT_EQ(m.what, kind::other);
    EXPECT_EQ(m.value, "24.0 GiB");
    EXPECT_EQ(m.distance, double(16 * k_GiB));
}

TEST(shortfall, a_quantity_says_more_than_a_name_beside_it) {
    const auto m =
        missing(machine().set("gpu", gpus({24})), R"(any(g in gpu, g.model == "T" && g.memory_bytes >= 40GiB))");
    EXPECT_EQ(m.value, "24.0 GiB");
}

TEST(shortfall, no_such_thing_is_another_answer_than_too_little) {
    EXPECT_EQ(missing(machine().set("gpu", json::array{}), k_gpu).what, kind::absent);
    EXPECT_EQ(missing(machine().status("gpu", fact_status::absent), k_gpu).what, kind::absent);
    EXPECT_EQ(missing(machine().set("gpu.count", 0), k_gpu).why, "gpu");
    EXPECT_EQ(missing(machine(), "label.zone == \"eu\"").why, "label zone");
    EXPECT_EQ(missing(machine().status("memory.limit_bytes", fact_status::absent), "memory.limit_bytes > 1").what,
              kind::absent);
    EXPECT_EQ(missing(machine().set("gpu", json::array{}), "count(gpu) >= 2").what, kind::absent);
}

TEST(shortfall, plain_values_and_counts_have_a_distance_too) {
    auto m = missing(machine().set("cpu.cores", 4), "cpu.cores >= 16");
    EXPECT_EQ(m.value + " " + std::to_string(m.distance), "4 12.000000");
    m = missing(machine().set("cpu.cores", 4), "16 <= cpu.cores");
    EXPECT_EQ(m.distance, 12);
    m = missing(machine().set("gpu", gpus({80})), "count(gpu) >= 4");
    EXPECT_EQ(m.value + " " + std::to_string(m.distance), "1 3.000000");
    m = missing(machine().set("os.id", "debian"), "os.id == \"ubuntu\"");
    EXPECT_EQ(m.value, "\"debian\"");
    EXPECT_LT(m.distance, 0) << "texts are not near or far";
}

TEST(shortfall, why_nobody_knows_is_told) {
    const auto why = [](const machine& m, std::string_view text = k_gpu) {
        const auto s = missing(m, text);
        EXPECT_EQ(s.what, kind::unknown);
        return s.why;
    };
    EXPECT_EQ(why(machine()), "gpu was never looked at");
    EXPECT_EQ(why(machine().status("gpu", fact_status::denied)), "gpu may not be read");
    EXPECT_EQ(why(machine().status("gpu.*", fact_status::timeout)), "gpu was not read in time");
    EXPECT_EQ(why(machine().status("gpu.count", fact_status::error)), "gpu could not be read");
    EXPECT_EQ(why(machine().set("cpu.cores", 64, {.method = "assumed"}), "cpu.cores >= 2"),
              "cpu.cores is only assumed");
    const auto now = clock::system().wall_ns();
    fact_options fast{.volatility = fact_volatility::fast, .ttl_s = 5, .observed_ns = now - 60'000'000'000};
    EXPECT_TRUE(why(machine().set("memory.available_bytes", 1, fast), "memory.available_bytes > 0")
                    .starts_with("memory.available_bytes was last read 6"));
    EXPECT_EQ(why(machine().set("gpu", json::array{json::object{{"model", "T"}}})), "gpu does not say");
}

TEST(shortfall, a_fleet_is_summed_up) {
    auto s = make_selector({real_balancer("round_robin")});
    join(*s, profile(machine().set("gpu", json::array{})));
    join(*s, profile(machine().set("gpu", json::array{})));
    join(*s, profile(machine().set("gpu", gpus({8}))));
    const auto best = join(*s, profile(machine().set("gpu", gpus({24, 12}))));
    join(*s, profile(machine()));
    join(*s, profile(machine().status("gpu", fact_status::denied)));
    join(*s, profile(machine().status("gpu", fact_status::denied)));
    const auto e = s->explain(*compiled(k_gpu));
    ASSERT_EQ(e.terms.size(), 1u);
    const auto& t = e.terms[0];
    EXPECT_EQ(t.no, 4u);
    EXPECT_EQ(t.absent, 2u);
    EXPECT_EQ(t.absent_key, "gpu");
    EXPECT_EQ(t.closest, "24.0 GiB");
    EXPECT_TRUE(t.closest_at == best);
    EXPECT_EQ(t.unknown, 3u);
    ASSERT_EQ(t.causes.size(), 2u);
    EXPECT_EQ(t.causes[0].why, "gpu may not be read");
    EXPECT_EQ(t.causes[0].runners, 2u);
    EXPECT_NE(t.causes[0].example.slot, t.causes[1].example.slot);
}

}  // namespace
}  // namespace sigrun::test

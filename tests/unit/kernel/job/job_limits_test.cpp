// The field `limits` of a job document: what is taken, and how a mistake is told.
#include "kernel/job/spec.hpp"
#include "unit/kernel/select/fleet.hpp"

#include <sigrun/cpp/job_limits.hpp>

#include <gtest/gtest.h>

namespace {

using namespace sigrun;
using namespace sigrun::test;

result<spec_ptr> document_with_limits(const std::string& limits, const std::string& kind = "process") {
    static auto select = make_selector({scripted::make("first", propose_nothing)});
    return parse_job_spec(R"({"command":["true"],"kind":")" + kind + R"(","limits":)" + limits + "}", *select, {});
}

sdk::job_limits read(const std::string& text) {
    sdk::job_limits l;
    const auto fault = sdk::read_job_limits(json::parse(text), l);
    EXPECT_FALSE(fault) << text << ": " << (fault ? fault->field + " " + fault->expected : "");
    return l;
}

TEST(job_limits, every_field_arrives_in_its_unit) {
    const auto l = read(R"({"memory":"512MiB","cpus":1.5,"pids":64,"open_files":1024,"file_size":"10G","core":0,)"
                        R"("workspace":"64KiB","enforce":"required"})");
    EXPECT_EQ(l.memory, 512u << 20);
    EXPECT_EQ(l.cpus, 1500u);
    EXPECT_EQ(l.pids, 64u);
    EXPECT_EQ(l.open_files, 1024u);
    EXPECT_EQ(l.file_size, 10'000'000'000u);
    EXPECT_EQ(l.core, 0u);
    EXPECT_EQ(l.workspace, 65536u);
    EXPECT_TRUE(l.required);
    EXPECT_FALSE(read("{}").any());
    EXPECT_FALSE(read(R"({"enforce":"best_effort"})").required);
    EXPECT_TRUE(document_with_limits(R"({"memory":"512MiB"})"));
}

TEST(job_limits, sizes_are_texts_with_units_or_numbers_of_bytes) {
    for (auto [text, bytes] : {std::pair{R"("1MiB")", 1048576.0},
                               {R"("1.5GiB")", 1610612736.0},
                               {R"("2M")", 2e6},
                               {R"("2MB")", 2e6},
                               {R"("2048k")", 2048e3},
                               {"4194304", 4194304.0}})
        EXPECT_EQ(read(std::string(R"({"memory":)") + text + "}").memory, static_cast<std::uint64_t>(bytes)) << text;
}

TEST(job_limits, a_wrong_value_is_refused_with_field_expected_and_found) {
    for (auto [field, value] : {std::pair{"memory", R"("much")"},
                                {"memory", R"("1kB")"},
                                {"memory", R"("5 MiB")"},
                                {"memory", R"("2EiB")"},
                                {"memory", "-1"},
                                {"memory", "1.5"},
                                {"memory", R"("")"},
                                {"memory", R"("i")"},
                                {"cpus", "0"},
                                {"cpus", R"("2")"},
                                {"cpus", "5000"},
                                {"pids", "0"},
                                {"pids", "1.5"},
                                {"pids", R"("10")"},
                                {"open_files", "3"},
                                {"core", R"("-1")"},
                                {"workspace", "0"},
                                {"enforce", R"("maybe")"},
                                {"enforce", "true"}}) {
        const auto refused = document_with_limits(std::string("{\"") + field + "\":" + value + "}");
        ASSERT_FALSE(refused) << field << " " << value;
        EXPECT_EQ(refused.error().field, std::string("limits.") + field);
        EXPECT_FALSE(refused.error().expected.empty());
        EXPECT_EQ(refused.error().found, value);
    }
}

TEST(job_limits, an_unknown_limit_is_refused_with_the_nearest_known_one) {
    const auto refused = document_with_limits(R"({"memori":"1GiB"})");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().field, "limits.memori");
    EXPECT_NE(refused.error().expected.find("\"memory\""), std::string::npos);
    EXPECT_EQ(document_with_limits("7").error().field, "limits");
}

TEST(job_limits, a_call_has_none) {
    EXPECT_EQ(document_with_limits(R"({"memory":"1GiB"})", "call").error().field, "limits");
}

}  // namespace

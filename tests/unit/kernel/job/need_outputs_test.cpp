#include "kernel/job/need_outputs.hpp"

#include <gtest/gtest.h>

namespace {

using namespace sigrun;

problem checked(const std::string& job, const std::vector<std::string>& needs) {
    auto r = check_output_references(parse_object(job).value(), needs, "jobs.test");
    return r ? problem{} : r.error();
}

job_ties ties_to(const std::string& name, need_end ended, const std::string& outputs) {
    job_ties ties;
    ties.needs.push_back({name, id::make(), ended, {}, outputs});
    return ties;
}

constexpr auto k_document =
    R"j({"command":["t"],"env":{"V":"v{needs.build.outputs.version}-{needs.build.outputs.a.b}","W":"{x}"}})j";

TEST(need_outputs, a_reference_is_to_one_job_that_is_needed) {
    EXPECT_EQ(checked(k_document, {"fetch", "build"}).field, "");
    const auto p = checked(k_document, {"biuld"});
    EXPECT_EQ(p.field, "jobs.test.env.V");
    EXPECT_EQ(p.expected, "the name of one job that it needs, perhaps \"biuld\"");
    EXPECT_EQ(p.found, "\"build\"");
    EXPECT_EQ(checked(k_document, {"build (cc=gcc)", "build (cc=clang)"}).expected,
              "the name of one job that it needs, such as \"build (cc=gcc)\"");
    EXPECT_EQ(checked(R"j({"env":{"V":"{needs.build (cc=gcc).outputs.v}"}})j", {"build (cc=gcc)"}).field, "");
    EXPECT_EQ(checked(k_document, {}).found, "\"build\"");
}

TEST(need_outputs, what_is_no_reference_is_refused_where_it_looks_like_one) {
    for (const std::string text :
         {"{needs.build}", "{needs.build.outputs.}", "{needs.build.outputs.1a}", "{needs.build.output.a}",
          "{needs.build.outputs.a", "a{needs.", "{needs.build.outputs.a b}"}) {
        const auto p = checked(R"j({"env":{"V":")j" + text + "\"}}", {"build"});
        EXPECT_EQ(p.expected, "{needs.NAME.outputs.KEY}") << text;
        EXPECT_EQ(p.field, "jobs.test.env.V") << text;
    }
    // In a command it is nothing at all.
    EXPECT_EQ(checked(R"j({"command":["{needs.build}"],"env":{"V":"{needs}"}})j", {}).field, "");
}

TEST(need_outputs, only_what_is_referred_to_is_kept) {
    const auto kept = wanted_outputs(k_document, "build", R"j({"version":"1","a.b":"2","large":"xxx"})j");
    EXPECT_EQ(kept, R"j({"version":"1","a.b":"2"})j");
    EXPECT_EQ(wanted_outputs(k_document, "fetch", R"j({"version":"1"})j"), "");
    EXPECT_EQ(wanted_outputs(k_document, "build", ""), "");
    EXPECT_EQ(wanted_outputs(R"j({"env":{"V":"x"}})j", "build", R"j({"version":"1"})j"), "");
}

TEST(need_outputs, values_take_the_places_of_their_references) {
    // What a value says is not read again.
    const auto ties =
        ties_to("build", need_end::succeeded, R"j({"version":"1{needs.build.outputs.a.b}","a.b":"\"$(x)\n"})j");
    const auto full = with_outputs(k_document, ties);
    ASSERT_TRUE(full) << full.error().text();
    EXPECT_EQ(*full, R"j({"command":["t"],"env":{"V":"v1{needs.build.outputs.a.b}-\"$(x)\n","W":"{x}"}})j");
    const std::string none = R"j({ "command": ["{needs.build.outputs.version}"] })j";
    EXPECT_EQ(with_outputs(none, ties).value(), none);
}

TEST(need_outputs, what_a_need_did_not_tell_is_missing_if_it_succeeded_and_empty_if_not) {
    const auto missing = with_outputs(k_document, ties_to("build", need_end::succeeded, R"j({"version":"1"})j"));
    ASSERT_FALSE(missing);
    EXPECT_NE(missing.error().text().find("output a.b of job build"), std::string::npos) << missing.error().text();
    const auto failed = with_outputs(k_document, ties_to("build", need_end::failed, R"j({"version":"1"})j"));
    ASSERT_TRUE(failed);
    EXPECT_NE(failed->find(R"j("V":"v1-")j"), std::string::npos) << *failed;
    EXPECT_FALSE(with_outputs(k_document, ties_to("build", need_end::open, "")));
}

TEST(need_outputs, what_comes_out_is_no_larger_than_a_document_may_be) {
    const std::string half(40'000, 'x');
    const auto ties = ties_to("build", need_end::succeeded, R"j({"version":")j" + half + R"j(","a.b":"y"})j");
    EXPECT_TRUE(with_outputs(k_document, ties));
    const auto twice =
        with_outputs(R"j({"env":{"V":"{needs.build.outputs.version}{needs.build.outputs.version}"}})j", ties);
    ASSERT_FALSE(twice);
    EXPECT_EQ(twice.error().code, errc::too_large);
    EXPECT_EQ(twice.error().field, "env.V");
    std::string many = R"j({"env":{"A":"")j";
    for (int i = 0; i < 30; ++i) many += ",\"V" + std::to_string(i) + R"j(":"{needs.build.outputs.version}")j";
    const auto all = with_outputs(many + "}}", ties);
    ASSERT_FALSE(all);
    EXPECT_EQ(all.error().code, errc::too_large);
    const auto nul = with_outputs(R"j({"env":{"V":"{needs.build.outputs.n}"}})j",
                                  ties_to("build", need_end::succeeded, "{\"n\":\"\\u0000\"}"));
    EXPECT_FALSE(nul);
}

}  // namespace

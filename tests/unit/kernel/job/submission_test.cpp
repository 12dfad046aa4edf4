#include "kernel/job/submission.hpp"

#include <gtest/gtest.h>

namespace {

using namespace sigrun;

std::vector<submitted_job> read(const std::string& jobs, const std::string& more = "") {
    auto r = read_submission("{\"jobs\":[" + jobs + "]" + more + "}");
    EXPECT_TRUE(r) << r.error().text();
    return r ? *r : std::vector<submitted_job>();
}

problem refused(const std::string& jobs, const std::string& more = "") {
    auto r = read_submission("{\"jobs\":[" + jobs + "]" + more + "}");
    EXPECT_FALSE(r);
    return r ? problem{} : r.error();
}

std::vector<std::string> names(const std::vector<submitted_job>& jobs) {
    std::vector<std::string> out;
    for (const auto& each : jobs) out.push_back(each.name);
    return out;
}

using list = std::vector<std::string>;
using places = std::vector<std::size_t>;

TEST(submission, needs_are_found_by_name_whatever_the_order) {
    const auto jobs = read(R"j({"name":"test","needs":["build","fetch"],"command":["t"]},
                              {"name":"build","needs":["fetch"],"when":"always","command":["b"]},
                              {"name":"fetch","command":["f"]})j");
    ASSERT_EQ(names(jobs), (list{"test", "build", "fetch"}));
    EXPECT_EQ(jobs[0].needs, (places{1, 2}));
    EXPECT_EQ(jobs[1].needs, (places{2}));
    EXPECT_EQ(jobs[0].when, need_condition::success);
    EXPECT_EQ(jobs[1].when, need_condition::always);
    EXPECT_EQ(jobs[0].document, R"j({"command":["t"]})j");
}

TEST(submission, what_cannot_be_is_refused_with_the_field) {
    EXPECT_EQ(refused("").field, "jobs");
    EXPECT_EQ(refused("7").field, "jobs[0]");
    EXPECT_EQ(refused(R"j({"command":["t"]})j").field, "jobs[0].name");
    EXPECT_EQ(refused(R"j({"name":"a b"})j").field, "jobs[0].name");
    EXPECT_EQ(refused(R"j({"name":"a"},{"name":"a"})j").field, "jobs[1].name");
    EXPECT_EQ(refused(R"j({"name":"a"},{"name":"b","needs":"a"})j").field, "jobs.b.needs");
    EXPECT_EQ(refused(R"j({"name":"a"},{"name":"b","needs":["a","a"]})j").field, "jobs.b.needs[1]");
    EXPECT_EQ(refused(R"j({"name":"a","when":"always"})j").field, "jobs.a.when");
    EXPECT_EQ(refused(R"j({"name":"a"},{"name":"b","needs":["a"],"when":"never"})j").field, "jobs.b.when");
    EXPECT_EQ(refused(R"j({"name":"a"})j", R"j(,"job":1)j").field, "job");
    EXPECT_EQ(refused(R"j({"name":"a"})j", R"j(,"defaults":{"needs":["a"]})j").field, "defaults.needs");
    const auto unknown = refused(R"j({"name":"build"},{"name":"b","needs":["biuld"]})j");
    EXPECT_EQ(unknown.field, "jobs.b.needs[0]");
    EXPECT_EQ(unknown.expected, "a job of this submission, perhaps \"build\"");
}

TEST(submission, a_circle_is_told) {
    const auto p = refused(
        R"j({"name":"x"},{"name":"a","needs":["c","x"]},{"name":"b","needs":["a"]},{"name":"c","needs":["b"]})j");
    EXPECT_EQ(p.field, "jobs.a.needs");
    EXPECT_EQ(p.found, "a circle: a needs c needs b needs a");
    EXPECT_EQ(refused(R"j({"name":"a","needs":["a"]})j").found, "a circle: a needs a");
}

TEST(submission, a_long_chain_is_no_problem_and_two_ways_to_one_job_are_no_circle) {
    std::string jobs = R"j({"name":"j0"})j";
    for (int i = 1; i < 1000; ++i) {
        jobs += ",{\"name\":\"j" + std::to_string(i) + "\",\"needs\":[\"j" + std::to_string(i - 1) + "\"";
        if (i > 1) jobs += ",\"j" + std::to_string(i - 2) + "\"";
        jobs += "]}";
    }
    EXPECT_EQ(read(jobs).size(), 1000u);
}

TEST(submission, a_matrix_makes_a_job_of_each_combination) {
    const auto jobs = read(R"j({"name":"build","matrix":{"os":["a","b"],"n":[1,true]},
                               "command":["make","{matrix.os}-{matrix.n}","${HOME}","{matrix"],"env":{"OS":"{matrix.os}"}},
                              {"name":"all","needs":["build"],"command":["x"]},
                              {"name":"one","needs":["build (os=b, n=1)"],"command":["x"]})j");
    EXPECT_EQ(names(jobs), (list{"build (os=a, n=1)", "build (os=a, n=true)", "build (os=b, n=1)",
                                 "build (os=b, n=true)", "all", "one"}));
    EXPECT_EQ(jobs[1].document, R"j({"command":["make","a-true","${HOME}","{matrix"],"env":{"OS":"a"}})j");
    EXPECT_EQ(jobs[4].needs, (places{0, 1, 2, 3}));
    EXPECT_EQ(jobs[5].needs, (places{2}));
}

TEST(submission, a_matrix_job_may_need_its_own_kind) {
    const auto jobs = read(R"j({"name":"build","matrix":{"os":["a","b"]},"command":["x"]},
                              {"name":"test","matrix":{"os":["a","b"]},"needs":["build (os={matrix.os})"],"command":["x"]})j");
    ASSERT_EQ(jobs.size(), 4u);
    EXPECT_EQ(jobs[2].needs, (places{0}));
    EXPECT_EQ(jobs[3].needs, (places{1}));
}

TEST(submission, excluded_combinations_are_left_out) {
    const auto jobs = read(R"j({"name":"b","matrix":{"os":["a","b"],"cc":["g","c"]},"command":["x"],
                               "exclude":[{"os":"a","cc":"g"},{"cc":"c"}]})j");
    EXPECT_EQ(names(jobs), (list{"b (os=b, cc=g)"}));
    const auto field = [](const std::string& members) {
        return refused(R"j({"name":"b","command":["x"],)j" + members + "}").field;
    };
    EXPECT_EQ(field(R"j("matrix":{"os":["a"]},"exclude":[{"os":"a"}])j"), "jobs.b.exclude");
    EXPECT_EQ(field(R"j("matrix":{"os":["a"]},"exclude":[{"cc":"a"}])j"), "jobs.b.exclude[0].cc");
    EXPECT_EQ(field(R"j("matrix":{"os":["a"]},"exclude":[{"os":"z"}])j"), "jobs.b.exclude[0].os");
    EXPECT_EQ(field(R"j("exclude":[{"os":"z"}])j"), "jobs.b.exclude");
    EXPECT_EQ(field(R"j("matrix":{"os":[]})j"), "jobs.b.matrix.os");
    EXPECT_EQ(field(R"j("matrix":{"os":["a","a"]})j"), "jobs.b.matrix.os[1]");
    EXPECT_EQ(field(R"j("matrix":{"o s":["a"]})j"), "jobs.b.matrix");
    EXPECT_EQ(field(R"j("matrix":{"os":["a"]},"env":{"A":"{matrix.so}"})j"), "jobs.b.env.A");
}

TEST(submission, its_size_is_bounded) {
    std::string values = "\"0\"", jobs = R"j({"name":"j0"})j";
    for (int i = 1; i < 17; ++i) values += ",\"" + std::to_string(i) + "\"";
    EXPECT_EQ(refused(R"j({"name":"b","matrix":{"x":[)j" + values + R"j(],"y":[)j" + values + "]}}").field,
              "jobs.b.matrix");
    for (int i = 1; i < 1025; ++i) jobs += ",{\"name\":\"j" + std::to_string(i) + "\"}";
    EXPECT_EQ(refused(jobs).code, errc::too_large);
    EXPECT_EQ(refused(R"j({"name":"a","env":{"A":")j" + std::string(5u << 20, 'x') + "\"}}").code, errc::too_large);
    // Each of 256 gets the same large text.
    std::string many;
    for (int i = 0; i < 256; ++i) many += (i ? ",\"" : "\"") + std::to_string(i) + "\"";
    EXPECT_EQ(
        refused(R"j({"name":"a","matrix":{"i":[)j" + many + R"j(]},"env":{"A":")j" + std::string(100'000, 'x') + "\"}}")
            .code,
        errc::too_large);
    // 256 jobs that each need 256 others.
    EXPECT_EQ(refused(R"j({"name":"a","matrix":{"i":[)j" + many + R"j(]}},{"name":"b","needs":["a"],"matrix":{"i":[)j" +
                      many + "]}}")
                  .code,
              errc::too_large);
}

TEST(submission, defaults_fill_what_a_job_leaves_open) {
    const auto jobs =
        read(R"j({"name":"a","command":["x"],"env":{"A":"own"}},{"name":"b","command":["y"],"queue":"q"})j",
             R"j(,"defaults":{"queue":"d","env":{"A":"1","B":"2"}})j");
    EXPECT_EQ(jobs[0].document, R"j({"command":["x"],"env":{"A":"own","B":"2"},"queue":"d"})j");
    EXPECT_EQ(jobs[1].document, R"j({"command":["y"],"queue":"q","env":{"A":"1","B":"2"}})j");
}

TEST(submission, signatures_reach_the_jobs_they_name) {
    const auto jobs =
        read(R"j({"name":"build","matrix":{"n":["1","2"]},"command":["b"]},{"name":"test","command":["t"]})j",
             R"j(,"signatures":{"build (n=2)":{"key":"k"},"test":{"key":"l"}})j");
    ASSERT_EQ(names(jobs), (list{"build (n=1)", "build (n=2)", "test"}));
    EXPECT_EQ(jobs[0].document, R"j({"command":["b"]})j");
    EXPECT_EQ(jobs[1].document, R"j({"command":["b"],"signature":{"key":"k"}})j");
    EXPECT_EQ(jobs[2].document, R"j({"command":["t"],"signature":{"key":"l"}})j");
}

TEST(submission, signatures_of_nobody_are_refused) {
    const std::string jobs = R"j({"name":"build","matrix":{"n":["1","2"]},"command":["b"]})j";
    for (const char* more :
         {R"j(,"signatures":{"build":{}})j", R"j(,"signatures":{"other":{}})j", R"j(,"signatures":1)j"})
        EXPECT_EQ(refused(jobs, more).field, "signatures") << more;
    EXPECT_EQ(refused(R"j({"name":"a","command":["b"],"signature":{}})j", R"j(,"signatures":{"a":{}})j").field,
              "jobs.a.signature");
}

}  // namespace

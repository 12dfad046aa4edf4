#include "kernel/app/sigrun/exit_codes.hpp"

#include "kernel/app/sigrun/failure.hpp"
#include "kernel/base/json.hpp"

#include <gtest/gtest.h>

namespace sigrun::cli {
namespace {

int code_of(const char* text) { return exit_code_of_job(parse_object(text).value()); }

TEST(exit_codes, a_job_passes_on_its_own_code) {
    EXPECT_EQ(code_of(R"({"state":"succeeded","exit_code":0})"), 0);
    EXPECT_EQ(code_of(R"({"state":"failed","exit_code":3,"failure":{"class":"user"}})"), 3);
    EXPECT_EQ(code_of(R"({"state":"failed","exit_code":127,"failure":{"class":"user"}})"), 127);
    EXPECT_EQ(code_of(R"({"state":"failed","exit_code":null,"signal":9,"failure":{"class":"resource"}})"), 137);
}

TEST(exit_codes, what_is_not_the_jobs_doing_has_codes_of_its_own) {
    EXPECT_EQ(code_of(R"({"state":"cancelled","exit_code":null,"signal":15})"), k_run_cancelled);
    EXPECT_EQ(code_of(R"({"state":"expired"})"), k_run_timed_out);
    EXPECT_EQ(code_of(R"({"state":"failed","signal":15,"failure":{"class":"user_timeout"}})"), k_run_timed_out);
    EXPECT_EQ(code_of(R"({"state":"failed","exit_code":1,"failure":{"class":"infra_runner"}})"), k_run_infrastructure);
    EXPECT_EQ(code_of(R"({"state":"dead"})"), k_run_infrastructure);
    EXPECT_EQ(code_of(R"({"state":"failed","exit_code":null,"signal":null,"failure":null})"), k_run_infrastructure);
    EXPECT_EQ(code_of(R"({"state":"failed","exit_code":4711})"), k_run_infrastructure);
    EXPECT_EQ(code_of(R"({})"), k_run_infrastructure);
}

TEST(exit_codes, problems_tell_what_kind_they_are) {
    auto of = [](errc code) { return failure(make_problem(code, "x")).exit_code(); };
    EXPECT_EQ(of(errc::not_found), k_not_found);
    EXPECT_EQ(of(errc::unknown_field), k_refused);
    EXPECT_EQ(of(errc::busy), k_refused);
    EXPECT_EQ(of(errc::timeout), k_timed_out);
    EXPECT_EQ(of(errc::internal), k_failed);
    EXPECT_EQ(of(errc::io), k_failed) << "an io problem of the daemon is not a lost connection";
    const failure lost(make_problem(errc::io, "x"), {}, failure::source::transport);
    EXPECT_EQ(lost.exit_code(), k_unreachable);
    EXPECT_EQ(lost.run_exit_code(), k_run_unreachable);
    EXPECT_EQ(failure(make_problem(errc::invalid, "x")).run_exit_code(), k_run_refused);
    EXPECT_EQ(failure(make_problem(errc::cancelled, "x"), {}, failure::source::interrupt).run_exit_code(),
              k_interrupted);
}

}  // namespace
}  // namespace sigrun::cli

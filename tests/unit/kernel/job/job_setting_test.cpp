// The fields user, group, pty, isolation and container of a job document: what is taken, and how a mistake is told.
#include "kernel/job/spec.hpp"
#include "unit/kernel/select/fleet.hpp"

#include <sigrun/cpp/job_container.hpp>

#include <gtest/gtest.h>

namespace {

using namespace sigrun;
using namespace sigrun::test;

result<spec_ptr> document(const std::string& members) {
    static auto select = make_selector({scripted::make("first", propose_nothing)});
    return parse_job_spec(R"({"command":["true"],)" + members + "}", *select, {});
}

sdk::job_setting setting_in(const std::string& text) {
    sdk::job_setting out;
    const auto fault = sdk::read_job_setting(json::parse(text).as_object(), out);
    EXPECT_FALSE(fault) << text << ": " << (fault ? fault->field + " " + fault->expected : "");
    return out;
}

TEST(job_setting, every_field_arrives) {
    const auto s =
        setting_in(R"({"user":"builder:100","pty":{"rows":40,"columns":120},"isolation":{"tmp":"private",)"
                   R"("network":"none","files":"read_only","ipc":"host","writable":["/var/cache/x"],)"
                   R"("enforce":"best_effort"}})");
    EXPECT_EQ(s.user, "builder");
    EXPECT_EQ(s.group, "100");
    ASSERT_TRUE(s.pty);
    EXPECT_EQ(s.pty->rows, 40);
    EXPECT_EQ(s.pty->columns, 120);
    EXPECT_EQ(s.isolation.tmp, true);
    EXPECT_EQ(s.isolation.network, true);
    EXPECT_EQ(s.isolation.ipc, false);
    EXPECT_FALSE(s.isolation.processes);
    EXPECT_EQ(s.isolation.writable, (std::vector<std::string>{"/var/cache/x"}));
    EXPECT_FALSE(s.isolation.required);
}

TEST(job_setting, what_is_not_said_is_nothing_and_what_is_held_must_hold) {
    const auto s = setting_in("{}");
    EXPECT_TRUE(s.user.empty());
    EXPECT_FALSE(s.pty);
    EXPECT_FALSE(s.isolation.any());
    EXPECT_TRUE(s.isolation.required);
    EXPECT_FALSE(setting_in(R"({"isolation":{"network":"host"}})").isolation.any());
    EXPECT_FALSE(setting_in(R"({"pty":false,"user":null})").pty);
    EXPECT_EQ(setting_in(R"({"pty":true})").pty->columns, 80);
}

TEST(job_setting, a_mistake_names_the_field_and_what_was_expected) {
    const auto told = [](const std::string& members, const std::string& field, const std::string& expected) {
        auto d = document(members);
        ASSERT_FALSE(d) << members;
        EXPECT_EQ(d.error().field, field) << members;
        EXPECT_NE(d.error().expected.find(expected), std::string::npos) << d.error().expected;
    };
    told(R"("user":"a b")", "user", "a name or a number");
    told(R"("user":-1)", "user", "a name or a number");
    told(R"("user":":wheel")", "user", "a name or a number");
    told(R"("user":"builder:")", "user", "a name or a number");
    told(R"("user":"a:b:c")", "user", "a name or a number");
    told(R"("pty":"yes")", "pty", "true");
    told(R"("pty":{"rows":0})", "pty.rows", "from 1 to 65535");
    told(R"("pty":{"width":80})", "pty.width", "rows or columns");
    told(R"("isolation":[])", "isolation", "an object");
    told(R"("isolation":{"networks":"none"})", "isolation.networks", "one of tmp, mounts, processes, network");
    told(R"("isolation":{"network":"private"})", "isolation.network", "none or host");
    told(R"("isolation":{"enforce":false})", "isolation.enforce", "required or best_effort");
    told(R"("isolation":{"writable":["cache"]})", "isolation.writable[0]", "an absolute path");
    told(R"("isolation":{"writable":["/srv/../etc"]})", "isolation.writable[0]", "without \"..\"");
    told(R"("isolation":{"files":"host","writable":["/srv"]})", "isolation.writable", "read_only");
    told(R"("kind":"call","isolation":{"network":"none"})", "isolation", "runs inside the runner's own process");
}

TEST(job_setting, a_container_has_an_image_and_nobody_else_has) {
    EXPECT_TRUE(document(R"("kind":"container","container":{"image":"debian:12","pull":"never"})"));
    EXPECT_EQ(document(R"("kind":"container")").error().field, "container");
    EXPECT_EQ(document(R"("kind":"container","container":{})").error().field, "container.image");
    EXPECT_EQ(document(R"("kind":"container","container":{"image":"a b"})").error().field, "container.image");
    EXPECT_EQ(document(R"("kind":"container","container":{"image":"a","pull":"x"})").error().field, "container.pull");
    EXPECT_EQ(document(R"("kind":"container","container":{"image":"a","volume":"x"})").error().field,
              "container.volume");
    EXPECT_EQ(document(R"("container":{"image":"debian:12"})").error().field, "container");
}

}  // namespace

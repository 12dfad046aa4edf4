#include "kernel/app/sigrun/job_file.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

namespace {

using namespace sigrun;
using namespace sigrun::cli;
using words = std::vector<std::string>;

json::object read(std::string_view text) {
    auto o = jobs_of_ini(text, "jobs.ini");
    EXPECT_TRUE(o) << o.error().text();
    return o ? *o : json::object();
}

problem refused(std::string_view text) {
    auto o = jobs_of_ini(text, "jobs.ini");
    EXPECT_FALSE(o) << json::serialize(*o);
    return o ? problem{} : o.error();
}

TEST(job_file, sections_become_jobs_in_their_order) {
    EXPECT_EQ(
        json::serialize(read("# a comment\n[job.build]\ncommand = make -j4 'all of it'\n\n"
                             "[job.test]\nneeds = build, fetch (os=a, cc=b)\nwhen = always\nshell = a; b # c\n")),
        R"j({"jobs":[{"name":"build","command":["make","-j4","all of it"]},)j"
        R"j({"name":"test","needs":["build","fetch (os=a, cc=b)"],"when":"always","command":["sh","-c","a; b # c"]}]})j");
}

TEST(job_file, each_family_of_keys_goes_where_the_document_wants_it) {
    const auto o = read(
        "[defaults]\nrequires = os.name == \"debian\"\n[job.a]\ncommand = x\nenv.CI = 1\nlabel.team = we\n"
        "timeout.run = 10m\nretry.user = 2\nlimit.memory = 1GiB\nlimits.cpus = 1.5\nmatrix.os = a, b\n"
        "exclude = os=a\nexclude.2 = os=b, cc=c\ngroup = deploy:3\ngroup.policy = refuse\nidempotent = no\n");
    EXPECT_EQ(
        json::serialize(o),
        R"j({"defaults":{"requires":"os.name == \"debian\""},"jobs":[{"name":"a","command":["x"],"env":{"CI":"1"},)j"
        R"j("labels":{"team":"we"},"timeouts":{"run":"10m"},"retry":{"user":2},"limits":{"memory":"1GiB","cpus":1.5E0},)j"
        R"j("matrix":{"os":["a","b"]},"exclude":[{"os":"a"},{"os":"b","cc":"c"}],"idempotent":false,)j"
        R"j("group":{"name":"deploy","max":3,"policy":"refuse"}}]})j");
}

TEST(job_file, switches_artifacts_and_secrets_have_their_types) {
    ASSERT_EQ(::setenv("SIGRUN_TEST_SECRET", "hunter22", 1), 0);
    const auto o = read(
        "[job.a]\ncommand = x\nhedge = yes\nexplain = no\npty = true\nartifacts = build/*.bin, log.txt\n"
        "secrets = SIGRUN_TEST_SECRET\nuser = build:staff\nisolation.network = none\ncontainer.image = debian:12\n");
    EXPECT_EQ(
        json::serialize(o.at("jobs").as_array()[0]),
        R"j({"name":"a","command":["x"],"hedge":true,"explain":false,"pty":true,)j"
        R"j("artifacts":["build/*.bin","log.txt"],"secrets":{"SIGRUN_TEST_SECRET":"hunter22"},"user":"build:staff",)j"
        R"j("isolation":{"network":"none"},"container":{"image":"debian:12"}})j");
    EXPECT_EQ(refused("[job.a]\nhedge = perhaps\n").field, "jobs.ini:2");
    const auto secret = refused("[job.a]\nsecrets = SIGRUN_TEST_SECRET=hunter22\n");
    EXPECT_EQ(secret.field, "jobs.ini:2");
    EXPECT_EQ(secret.text().find("hunter22"), std::string::npos);
    ::unsetenv("SIGRUN_TEST_SECRET");
}

TEST(job_file, steps_keep_their_order_and_names) {
    EXPECT_EQ(
        json::serialize(read("[job.a]\nstep.fetch = git pull\nstep.build = make\n").at("jobs")),
        R"j([{"name":"a","steps":[{"name":"fetch","command":["git","pull"]},{"name":"build","command":["make"]}]}])j");
}

TEST(job_file, a_line_that_begins_with_a_blank_goes_on) {
    const auto o = read("[job.a]\nshell = set -e\n  make\n\tmake test\r\n[job.b]\ncommand = a\n  b\n");
    EXPECT_EQ(json::serialize(o.at("jobs").as_array()[0].at("command")), R"j(["sh","-c","set -e\nmake\nmake test"])j");
    EXPECT_EQ(json::serialize(o.at("jobs").as_array()[1].at("command")), R"j(["a","b"])j");
}

TEST(job_file, a_fault_is_told_with_its_line) {
    EXPECT_EQ(refused("").field, "jobs.ini");
    EXPECT_EQ(refused("command = x\n").field, "jobs.ini:1");
    EXPECT_EQ(refused("[job.a]\n\ncomand = x\n").field, "jobs.ini:3");
    EXPECT_EQ(refused("[job.a]\ncomand = x\n").expected, "perhaps \"command\"");
    EXPECT_EQ(refused("[job.a]\nnonsense\n").field, "jobs.ini:2");
    EXPECT_EQ(refused("[job.a]\ncommand = 'x\n").field, "jobs.ini:2");
    EXPECT_EQ(refused("[job.a]\ncommand =\n").field, "jobs.ini:2");
    EXPECT_EQ(refused("[job.a]\ncommand = x\ncommand = y\n").field, "jobs.ini:3");
    EXPECT_EQ(refused("[job.a]\ncommand = x\n[job.a]\n").field, "jobs.ini:3");
    EXPECT_EQ(refused("[jobs.a]\n").field, "jobs.ini:1");
    EXPECT_EQ(refused("[job.a\n").field, "jobs.ini:1");
    EXPECT_EQ(refused("[job.]\n").field, "jobs.ini:1");
    EXPECT_EQ(refused("[job.a]\n  command = x\n").field, "jobs.ini:2");
    EXPECT_EQ(refused("[job.a]\nretry.user = often\n").field, "jobs.ini:2");
    EXPECT_EQ(refused("[job.a]\nexclude = os\n").field, "jobs.ini:2");
    EXPECT_EQ(refused("[job.a]\nidempotent = perhaps\n").field, "jobs.ini:2");
    EXPECT_EQ(refused("[job.a]\ncommand = x\ngroup = deploy:0\n").field, "jobs.ini:3");
    EXPECT_EQ(refused("[job.a]\ncommand.x = x\n").field, "jobs.ini:2");
}

TEST(job_file, words_are_split_as_a_shell_would) {
    EXPECT_EQ(split_words("  a  b\tc ").value(), (words{"a", "b", "c"}));
    EXPECT_EQ(split_words(R"j(a 'b c' "d \"e\" \n" f\ g '' x"y"z)j").value(),
              (words{"a", "b c", "d \"e\" \\n", "f g", "", "xyz"}));
    EXPECT_EQ(split_words(R"j($HOME {matrix.os} *)j").value(), (words{"$HOME", "{matrix.os}", "*"}));
    EXPECT_FALSE(split_words("a 'b"));
    EXPECT_FALSE(split_words("a \\"));
}

}  // namespace

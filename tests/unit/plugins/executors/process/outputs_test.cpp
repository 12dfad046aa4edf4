#include "outputs.hpp"

#include "executor_rig.hpp"
#include "outcome.hpp"

#include <sys/stat.h>

namespace sigrun::process_test {
namespace {

using process::parse_outputs;
using process::read_outputs;
using values = std::vector<std::pair<std::string, std::string>>;

TEST(job_outputs, lines_and_blocks_are_read_and_the_last_of_equal_keys_counts) {
    const auto told = parse_outputs(
        "version=1.2.3\n\nurl=http://a/?b=c\nempty=\nnotes<<END\nfirst\n\nEND of "
        "it\nEND\nnothing<<E\nE\nversion=2\nlast=no "
        "line end");
    EXPECT_EQ(told.values, (values{{"version", "2"},
                                   {"url", "http://a/?b=c"},
                                   {"empty", ""},
                                   {"notes", "first\n\nEND of it"},
                                   {"nothing", ""},
                                   {"last", "no line end"}}));
    EXPECT_TRUE(told.warnings.empty());
}

TEST(job_outputs, what_is_of_another_form_is_told_with_its_line_and_the_rest_stands) {
    const auto told = parse_outputs("good=1\nno sign\n7up=x\nbad key=x\nraw=\xff\nblock<<\nlast<<END\nnever ended\n");
    EXPECT_EQ(told.values, (values{{"good", "1"}}));
    ASSERT_EQ(told.warnings.size(), 6u);
    EXPECT_EQ(told.warnings[0], "line 2: expected KEY=VALUE or KEY<<WORD, found \"no sign\"");
    EXPECT_TRUE(told.warnings[1].starts_with("line 3: expected a key of letters")) << told.warnings[1];
    EXPECT_TRUE(told.warnings[2].starts_with("line 4: "));
    EXPECT_EQ(told.warnings[3], "line 5: expected UTF-8 in the value of raw, found other bytes");
    EXPECT_EQ(told.warnings[4], "line 6: expected a word behind \"<<\", found nothing");
    EXPECT_EQ(told.warnings[5], "line 7: expected a line \"END\" that ends last, found the end of the file");
    std::string many;
    for (int i = 0; i < 1000; ++i) many += "x\n";
    EXPECT_EQ(parse_outputs(many).warnings.size(), process::k_most_warnings);
    EXPECT_TRUE(parse_outputs("k=\xed\xa0\x80").values.empty()) << "a surrogate is no character";
    EXPECT_TRUE(parse_outputs("k=\xc0\x80").values.empty()) << "and there is one form of each";
    EXPECT_EQ(parse_outputs("k=\xf0\x9f\x98\x80").values.size(), 1u);
}

TEST(job_outputs, a_file_that_is_too_large_fails_what_would_have_succeeded_and_nothing_else) {
    process::job_outputs large;
    large.too_large = 70'000;
    const auto failed = process::with_outputs({SIGRUN_OK, R"({"exit_code":0,"signal":null})"}, large);
    EXPECT_EQ(failed.result, SIGRUN_E_INVALID);
    EXPECT_NE(failed.json.find("expected at most 65536 bytes, found 70000"), std::string::npos) << failed.json;
    const auto as_it_was = process::with_outputs({SIGRUN_OK, R"({"exit_code":3,"signal":null})"}, large);
    EXPECT_EQ(as_it_was.result, SIGRUN_OK);
    EXPECT_NE(as_it_was.json.find("output_warnings"), std::string::npos) << as_it_was.json;
}

class job_outputs_run : public executor_rig {};

TEST_F(job_outputs_run, a_job_tells_them_by_its_file_also_when_it_fails) {
    auto r = shell(
        "echo from=before >> $SIGRUN_OUTPUT; printf 'a=1\\nb<<X\\ntwo\\nlines\\nX\\nwrong\\n' >> \"$SIGRUN_OUTPUT\"; "
        "exit 3");
    const auto o = parsed(wait(r));
    EXPECT_EQ(o.at("exit_code"), 3);
    EXPECT_EQ(o.at("outputs"), (json::object{{"from", "before"}, {"a", "1"}, {"b", "two\nlines"}}));
    EXPECT_EQ(o.at("output_warnings").as_array().size(), 1u);
}

TEST_F(job_outputs_run, a_pipe_or_a_link_in_its_place_neither_stops_nor_misleads) {
    auto pipe = shell("mkfifo $SIGRUN_OUTPUT");
    EXPECT_NE(wait(pipe).text.find("plain file"), std::string::npos);
    std::filesystem::remove(process::output_path(workspace_));
    auto link = shell("ln -s /etc/passwd $SIGRUN_OUTPUT");
    const auto told = parsed(wait(link));
    EXPECT_FALSE(told.contains("outputs"));
    EXPECT_EQ(told.at("exit_code"), 0);
}

}  // namespace
}  // namespace sigrun::process_test

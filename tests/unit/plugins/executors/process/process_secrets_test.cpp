// Secrets of a job: in its environment, and in nothing that leaves its processes.
#include "executor_rig.hpp"

namespace sigrun::process_test {
namespace {

class process_secrets : public executor_rig {
protected:
    running with_secrets(std::string_view script, const json::object& secrets) {
        return begin({{"command", {"sh", "-c", script}}, {"secrets", secrets}});
    }
};

TEST_F(process_secrets, are_in_the_environment_and_stars_in_the_output) {
    auto r = with_secrets("[ \"$KEY\" = hunter22 ] && echo \"key $KEY.\"; echo \"$KEY\" >&2", {{"KEY", "hunter22"}});
    EXPECT_EQ(parsed(wait(r)).at("exit_code"), 0);
    EXPECT_EQ(output(r), "key ***.\n");
    EXPECT_EQ(output(r, SIGRUN_STREAM_STDERR), "***\n");
}

TEST_F(process_secrets, that_are_written_in_parts_or_in_base64_are_found_as_well) {
    auto r = with_secrets(
        "printf 'a hun'; sleep 0.1; printf ter; sleep 0.1; printf '22 b\\n'; printf 'correct horse battery' | base64; "
        "printf hun; printf ter2",
        {{"KEY", "hunter22"}, {"LONG", "correct horse battery"}});
    EXPECT_EQ(parsed(wait(r)).at("exit_code"), 0);
    EXPECT_EQ(output(r), "a *** b\n***\nhunter2");
}

TEST_F(process_secrets, that_lie_over_the_borders_of_many_full_pieces_are_found) {
    // 64 KiB pieces of a 13 byte pattern: each border cuts one at another place.
    auto r = with_secrets("yes \"$KEY$KEY\" | head -c 3000000; echo; echo end", {{"KEY", "a-secret-one"}});
    EXPECT_EQ(parsed(wait(r)).at("exit_code"), 0);
    const auto text = output(r);
    EXPECT_EQ(text.find("secret-one"), std::string::npos);
    EXPECT_TRUE(text.ends_with("\nend\n"));
    EXPECT_GT(text.size(), 3'000'000u / 25 * 7 - 100);
}

TEST_F(process_secrets, are_in_no_output_no_warning_and_no_message) {
    auto r = with_secrets(
        "echo \"told=$KEY\" >> $SIGRUN_OUTPUT; echo \"wrong $KEY\" >> $SIGRUN_OUTPUT; echo \"$KEY=x\" >> "
        "$SIGRUN_OUTPUT; exit 3",
        {{"KEY", "hunter22"}});
    const auto how = wait(r);
    EXPECT_EQ(how.text.find("hunter22"), std::string::npos) << how.text;
    EXPECT_EQ(parsed(how).at("outputs"), (json::object{{"told", "***"}, {"***", "x"}}));
    auto missing = begin({{"command", {"/no/hunter22"}}, {"secrets", {{"KEY", "hunter22"}}}});
    EXPECT_EQ(wait(missing).text.find("hunter22"), std::string::npos);
}

TEST_F(process_secrets, are_on_no_command_line_and_in_no_file_while_the_job_runs) {
    auto r = with_secrets("echo begun; sleep 100", {{"KEY", "unmistakable-20261127"}});
    wait_output(r, "begun");
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        std::ifstream file(entry.path() / "cmdline", std::ios::binary);
        const std::string line((std::istreambuf_iterator<char>(file)), {});
        EXPECT_EQ(line.find("unmistakable-20261127"), std::string::npos) << entry.path();
    }
    table_->cancel(instance_, r.op, 0);
    wait(r);
}

TEST_F(process_secrets, a_document_with_wrong_ones_is_refused_without_showing_them) {
    auto r = begin({{"command", {"true"}}, {"secrets", {{"KEY", json::array{"hunter22"}}}}});
    const auto how = wait(r);
    EXPECT_NE(how.text.find("secrets.KEY"), std::string::npos) << how.text;
    EXPECT_EQ(how.text.find("hunter22"), std::string::npos) << how.text;
}

}  // namespace
}  // namespace sigrun::process_test

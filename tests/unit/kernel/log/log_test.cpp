#include "kernel/log/log.hpp"

#include "kernel/log/line_formatter.hpp"

#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <thread>
#include <vector>

namespace sigrun {
namespace {

namespace fs = std::filesystem;

// Made while statics are initialised, in whatever order the linker chose.
const auto k_early = logger::get("early");

class log_file : public ::testing::Test {
protected:
    log_file() {
        std::string path = (fs::temp_directory_path() / "sigrun-log-XXXXXX").string();
        if (!mkdtemp(path.data())) throw std::runtime_error("mkdtemp failed");
        folder_ = path;
    }
    ~log_file() override {
        stop_logging();
        set_log_level(log_level::info);
        fs::remove_all(folder_);
    }
    std::vector<std::string> lines() const {
        std::vector<std::string> out;
        std::ifstream in(folder_ / "log");
        for (std::string line; std::getline(in, line);) out.push_back(line);
        return out;
    }
    void start(log_level level) { start_logging({level, (folder_ / "log").string()}); }

    fs::path folder_;
};

TEST_F(log_file, holds_one_line_per_message_with_time_level_and_name) {
    start(log_level::info);
    auto log = logger::get("link");
    SIGRUN_LOG(log, info, "runner ", "build-7", " has ", 3, " jobs");
    SIGRUN_LOG(log, error, "lost");
    stop_logging();
    auto written = lines();
    ASSERT_EQ(written.size(), 2u);
    const std::regex pattern(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info link: runner build-7 has 3 jobs)");
    EXPECT_TRUE(std::regex_match(written[0], pattern)) << written[0];
    EXPECT_NE(written[1].find("Z error link: lost"), std::string::npos) << written[1];
}

TEST_F(log_file, leaves_out_what_the_level_excludes_and_follows_a_change) {
    start(log_level::warning);
    auto log = logger::get("x");
    EXPECT_TRUE(log.enabled(log_level::error));
    EXPECT_TRUE(log.enabled(log_level::warning));
    EXPECT_FALSE(log.enabled(log_level::info));
    SIGRUN_LOG(log, info, "quiet");
    set_log_level(log_level::trace);
    EXPECT_TRUE(log.enabled(log_level::trace));
    SIGRUN_LOG(log, trace, "loud");
    stop_logging();
    ASSERT_EQ(lines().size(), 1u);
    EXPECT_NE(lines()[0].find(" trace x: loud"), std::string::npos);
}

TEST_F(log_file, does_not_evaluate_the_text_of_a_disabled_level) {
    start(log_level::error);
    int evaluated = 0;
    auto text = [&] {
        ++evaluated;
        return std::string("x");
    };
    SIGRUN_LOG(k_early, debug, text());
    EXPECT_EQ(evaluated, 0);
    SIGRUN_LOG(k_early, error, text());
    EXPECT_EQ(evaluated, 1);
}

TEST_F(log_file, text_from_outside_cannot_forge_a_line) {
    start(log_level::info);
    SIGRUN_LOG(k_early, info, "name \"a\nb\r\x1b[31m\"");
    stop_logging();
    ASSERT_EQ(lines().size(), 1u);
    EXPECT_NE(lines()[0].find(R"(early: name "a\nb\r\x1b[31m")"), std::string::npos) << lines()[0];
}

TEST_F(log_file, every_line_of_many_threads_arrives_whole) {
    start(log_level::info);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([t] {
            auto log = logger::get("thread" + std::to_string(t));
            for (int i = 0; i < 500; ++i) SIGRUN_LOG(log, info, "message ", i);
        });
    for (auto& t : threads) t.join();
    stop_logging();
    auto written = lines();
    EXPECT_EQ(written.size(), 2000u);
    for (const auto& line : written) EXPECT_NE(line.find(" info thread"), std::string::npos) << line;
}

TEST_F(log_file, changing_the_target_while_threads_log_is_safe) {
    std::atomic<bool> stop{false};
    set_log_level(log_level::warning);
    std::thread writer([&] {
        while (!stop) SIGRUN_LOG(k_early, warning, "busy");
    });
    std::thread reader([&] {
        while (!stop) (void)k_early.enabled(log_level::debug);
    });
    for (int i = 0; i < 3; ++i) start(log_level::warning);
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (lines().empty() && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    stop = true;
    writer.join();
    reader.join();
    stop_logging();
    EXPECT_FALSE(lines().empty());
}

TEST_F(log_file, that_cannot_be_opened_is_reported) {
    EXPECT_THROW(start_logging({log_level::info, (folder_ / "missing/folder/log").string()}), std::runtime_error);
}

TEST(log_level_names, are_read_and_unknown_ones_refused) {
    log_level level = log_level::info;
    EXPECT_TRUE(parse_log_level("trace", level));
    EXPECT_EQ(level, log_level::trace);
    EXPECT_TRUE(parse_log_level("error", level));
    EXPECT_EQ(level, log_level::error);
    for (auto text : {"", "Info", "information", "5", "trace "}) EXPECT_FALSE(parse_log_level(text, level)) << text;
    EXPECT_EQ(level, log_level::error);
}

TEST(line_formatter, prints_the_messages_own_time) {
    Poco::Message message("link", "text", Poco::Message::PRIO_INFORMATION);
    message.setTime(Poco::Timestamp(1'767'607'200'123'000));
    std::string line;
    line_formatter().format(message, line);
    EXPECT_EQ(line, "2026-01-05T10:00:00.123Z info link: text");
}

}  // namespace
}  // namespace sigrun

#include "kernel/guard/rotating_file.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

namespace sigrun {
namespace {

namespace fs = std::filesystem;

class rotating : public ::testing::Test {
protected:
    void SetUp() override {
        std::string name = "/tmp/sigrun-rotating-XXXXXX";
        folder_ = ::mkdtemp(name.data());
    }
    void TearDown() override { fs::remove_all(folder_); }
    std::string path() const { return folder_ + "/log"; }
    std::string text(const std::string& suffix = "") const {
        std::ostringstream out;
        out << std::ifstream(path() + suffix).rdbuf();
        return out.str();
    }
    std::string folder_;
};

TEST_F(rotating, older_files_move_up_and_the_oldest_goes) {
    auto file = rotating_file::open(path(), 10, 2);
    ASSERT_TRUE(file);
    for (const char* line : {"aaaa", "bbbb", "cccc", "dddd", "eeee", "ffff", "gggg"}) ASSERT_TRUE(file->add(line));
    EXPECT_EQ(text(), "gggg\n");
    EXPECT_EQ(text(".1"), "eeee\nffff\n");
    EXPECT_EQ(text(".2"), "cccc\ndddd\n");
    EXPECT_FALSE(fs::exists(path() + ".3"));
    EXPECT_EQ(fs::status(path()).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(rotating, a_line_longer_than_the_file_is_there_whole) {
    auto file = rotating_file::open(path(), 4, 1);
    ASSERT_TRUE(file);
    ASSERT_TRUE(file->add("longer than four"));
    ASSERT_TRUE(file->add("x"));
    EXPECT_EQ(text(".1"), "longer than four\n");
    EXPECT_EQ(text(), "x\n");
}

TEST_F(rotating, it_goes_on_where_it_ended_before) {
    ASSERT_TRUE(rotating_file::open(path(), 10, 1)->add("aaaa"));
    auto again = rotating_file::open(path(), 10, 1);
    ASSERT_TRUE(again->add("bbbb"));
    ASSERT_TRUE(again->add("cccc"));
    EXPECT_EQ(text(".1"), "aaaa\nbbbb\n");
}

TEST_F(rotating, a_link_in_its_place_is_not_followed) {
    fs::create_symlink(folder_ + "/elsewhere", path());
    EXPECT_FALSE(rotating_file::open(path(), 10, 1));
    EXPECT_FALSE(fs::exists(folder_ + "/elsewhere"));
}

TEST_F(rotating, lines_of_many_threads_are_whole) {
    auto file = rotating_file::open(path(), 1 << 20, 1);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            for (int i = 0; i < 200; ++i) EXPECT_TRUE(file->add(std::string(20, static_cast<char>('a' + t))));
        });
    for (auto& t : threads) t.join();
    std::istringstream in(text());
    std::string line;
    int n = 0;
    for (; std::getline(in, line); ++n) {
        ASSERT_EQ(line.size(), 20u);
        EXPECT_EQ(line.find_first_not_of(line[0]), std::string::npos);
    }
    EXPECT_EQ(n, 800);
}

}  // namespace
}  // namespace sigrun

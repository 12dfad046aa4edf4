#include "kernel/guard/secret_box.hpp"

#include <gtest/gtest.h>

#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace {

using sigrun::secret_box;

struct secret_box_test : testing::Test {
    std::string dir = [] {
        std::string t = testing::TempDir() + "boxXXXXXX";
        return std::string(mkdtemp(t.data()));
    }();
    std::string file = dir + "/secrets.key";
    ~secret_box_test() override { std::filesystem::remove_all(dir); }
};

TEST_F(secret_box_test, what_was_sealed_is_opened_by_the_next_process_and_stands_nowhere_in_clear) {
    std::string sealed;
    {
        secret_box box(file);
        EXPECT_FALSE(std::filesystem::exists(file)) << "nobody needs it yet";
        sealed = box.seal("hunter22").value();
        EXPECT_NE(box.seal("hunter22").value(), sealed);
        EXPECT_EQ(sealed.find("hunter22"), std::string::npos);
        EXPECT_EQ(box.open(box.seal("").value()).value(), "");
    }
    struct stat about {};
    ASSERT_EQ(::stat(file.c_str(), &about), 0);
    EXPECT_EQ(about.st_mode & 0777, 0600u);
    secret_box later(file);
    EXPECT_EQ(later.open(sealed).value(), "hunter22");
    EXPECT_EQ(later.mark_of("a").value(), secret_box(file).mark_of("a").value());
    EXPECT_NE(later.mark_of("a").value(), later.mark_of("b").value());
}

TEST_F(secret_box_test, another_key_and_a_changed_text_open_nothing) {
    secret_box box(file), other(dir + "/other.key");
    auto sealed = box.seal("hunter22").value();
    ASSERT_TRUE(other.seal("x"));
    EXPECT_NE(other.open(sealed).error().text().find("other.key"), std::string::npos);
    sealed[10] = sealed[10] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(box.open(sealed));
    EXPECT_FALSE(box.open("1:AAAA"));
    EXPECT_FALSE(box.open("hunter22"));
}

TEST_F(secret_box_test, a_key_that_is_gone_too_short_or_open_to_others_is_refused) {
    std::string sealed = secret_box(file).seal("hunter22").value();
    ASSERT_EQ(::chmod(file.c_str(), 0640), 0);
    EXPECT_NE(secret_box(file).open(sealed).error().text().find("0600"), std::string::npos);
    ASSERT_EQ(::chmod(file.c_str(), 0600), 0);
    std::ofstream(file) << "short";
    EXPECT_NE(secret_box(file).seal("x").error().text().find("32 bytes"), std::string::npos);
    std::filesystem::remove(file);
    EXPECT_FALSE(secret_box(file).open(sealed)) << "a new key would open nothing";
    EXPECT_FALSE(std::filesystem::exists(file));
}

}  // namespace

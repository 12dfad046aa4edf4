#include <sigrun/cpp/redactor.hpp>

#include <gtest/gtest.h>

#include <random>

namespace {

using sigrun::sdk::redact;
using sigrun::sdk::redactor;
using sigrun::sdk::secret_patterns;

// In pieces of these sizes, again and again.
std::string in_pieces(const secret_patterns& what, std::string_view text, const std::vector<std::size_t>& sizes) {
    std::string out;
    redactor one(what);
    for (std::size_t i = 0; !text.empty(); ++i) {
        const auto n = std::min(sizes[i % sizes.size()], text.size());
        one.feed(text.substr(0, n), out);
        EXPECT_LE(one.held(), what.longest());
        text.remove_prefix(n);
    }
    one.end(out);
    return out;
}

TEST(redactor, a_secret_is_replaced_wherever_it_stands) {
    const secret_patterns what({"hunter22"});
    EXPECT_EQ(redact(what, "hunter22"), "***");
    EXPECT_EQ(redact(what, "user:hunter22@host hunter2 hunter222"), "user:***@host hunter2 ***2");
    EXPECT_EQ(redact(what, "hunter22hunter22"), "******");
    EXPECT_EQ(redact(what, "nothing of it"), "nothing of it");
}

TEST(redactor, also_when_it_is_split_over_writes) {
    const secret_patterns what({"hunter22", "another secret"});
    const std::string text = "a hunter22, huntehunter22 and another hunter, another secret.";
    const std::string wanted = "a ***, hunte*** and another hunter, ***.";
    for (std::size_t n = 1; n < text.size(); ++n) EXPECT_EQ(in_pieces(what, text, {n}), wanted) << n;
}

TEST(redactor, no_two_cuts_at_any_places_let_a_secret_through) {
    const secret_patterns what({"hunter22", "correct horse"});
    const std::string text = "a hunter22,Y29ycmVjdCBob3JzZQ== huntehunter22.";  // and the second one in base64
    const auto wanted = redact(what, text);
    EXPECT_EQ(wanted, "a ***,*** hunte***.");
    for (std::size_t first = 0; first <= text.size(); ++first)
        for (std::size_t second = first; second <= text.size(); ++second) {
            std::string out;
            redactor one(what);
            one.feed(std::string_view(text).substr(0, first), out);
            one.feed(std::string_view(text).substr(first, second - first), out);
            one.feed(std::string_view(text).substr(second), out);
            one.end(out);
            ASSERT_EQ(out, wanted) << first << ", " << second;
        }
}

TEST(redactor, what_cannot_be_one_any_more_is_given_at_once) {
    const secret_patterns what({"hunter22"});
    std::string out;
    redactor one(what);
    one.feed("password: hunt", out);
    EXPECT_EQ(out, "password: ");
    one.feed("ing\n", out);
    EXPECT_EQ(out, "password: hunting\n");
    EXPECT_EQ(one.held(), 0u);
    one.feed("hunter2", out);
    one.end(out);
    EXPECT_EQ(out, "password: hunting\nhunter2");
}

TEST(redactor, secrets_that_overlap_or_hold_each_other_leave_nothing_of_any) {
    const secret_patterns what({"abcdef", "defghi", "abcdXXXXefghYYYY", "efgh"});
    EXPECT_EQ(redact(what, ".abcdefghi."), ".***.");
    EXPECT_EQ(redact(what, "abcdXXXXefghYYYY"), "***");
    EXPECT_EQ(redact(what, "abcdXXXXefghYYY"), "abcdXXXX***YYY");
    EXPECT_EQ(redact(what, "abcdabcdef"), "abcd***");
}

TEST(redactor, secrets_that_overlap_without_end_are_one_and_are_not_collected) {
    const secret_patterns what({"aaaa"});
    std::string out;
    redactor one(what);
    for (int i = 0; i < 10'000; ++i) {
        one.feed("aaaaaaa", out);
        ASSERT_LE(one.held(), what.longest());
    }
    one.feed("!", out);
    EXPECT_EQ(out, "***!");
}

TEST(redactor, base64_of_a_secret_is_found_alone_and_within_something_longer) {
    // printf 'correct horse battery' | base64, with one and with two bytes in front of it, and with a line end behind it.
    const secret_patterns what({"correct horse battery"});
    EXPECT_EQ(redact(what, "Y29ycmVjdCBob3JzZSBiYXR0ZXJ5"), "***");
    for (const auto* text :
         {"Y29ycmVjdCBob3JzZSBiYXR0ZXJ5Cg==", "OmNvcnJlY3QgaG9yc2UgYmF0dGVyeQo=", "dTpjb3JyZWN0IGhvcnNlIGJhdHRlcnkK"}) {
        const auto told = redact(what, text);
        EXPECT_NE(told.find("***"), std::string::npos) << text;
        EXPECT_LE(told.size(), 11u) << told << ": more than the characters that its neighbours have a part in";
    }
    const secret_patterns url({std::string("\xfb\xff\xfe\xfb\xff\xfe", 6)});
    EXPECT_EQ(redact(url, "+//++//+ -__--__-"), "*** ***");
}

TEST(redactor, lines_of_a_long_secret_are_secrets) {
    const secret_patterns what({"-----BEGIN KEY-----\nMIIEvQIBADANBg\r\nshort\n-----END KEY-----\n"});
    EXPECT_EQ(redact(what, "log: MIIEvQIBADANBg; short"), "log: ***; short");
}

TEST(redactor, what_is_too_short_is_left_out_and_nothing_is_looked_for_then) {
    EXPECT_TRUE(secret_patterns({"", "abc"}).empty());
    EXPECT_EQ(redact(secret_patterns({"abc"}), "abc"), "abc");
}

// The answer must not depend on how the text is cut, and no secret may be left in it.
TEST(redactor, random_texts_and_cuts_leave_no_secret) {
    std::mt19937 random(7);  // NOLINT: the same each time
    for (int round = 0; round < 300; ++round) {
        auto word = [&](std::size_t most) {
            std::string out;
            for (std::size_t i = 4 + random() % most; i-- > 0;) out += static_cast<char>('a' + random() % 2);
            return out;
        };
        std::vector<std::string> secrets;
        for (int i = 0; i < 4; ++i) secrets.push_back(word(8));
        const secret_patterns what(secrets);
        const auto text = word(400);
        const auto whole = redact(what, text);
        for (const auto& secret : secrets) EXPECT_EQ(whole.find(secret), std::string::npos);
        EXPECT_EQ(in_pieces(what, text, {1 + random() % 7, 1 + random() % 3, 1 + random() % 50}), whole);
    }
}

}  // namespace

#include <sigrun/cpp/text.hpp>

#include <gtest/gtest.h>

#include <string>

using sigrun::sdk::is_utf8;

TEST(text, utf8_is_told_from_what_only_looks_like_it) {
    for (std::string_view good :
         {"", "a", "plain ascii, longer than eight bytes", "gr\xc3\xbc\xc3\x9f dich", "\xe2\x82\xac",
          "\xf0\x9f\x9a\x80", "\xef\xbf\xbf", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf", "\xe0\xa0\x80", "\xf0\x90\x80\x80"})
        EXPECT_TRUE(is_utf8(good)) << good;
    EXPECT_TRUE(is_utf8(std::string_view("\0", 1)));
    for (std::string_view bad :
         {"\x80", "\xff", "\xc0\xaf", "\xc1\xbf", "\xc3", "\xc3(", "\xe2\x82", "\xe0\x9f\xbf", "\xed\xa0\x80",
          "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf0\x9f\x9a", "\xe2(\xa1"})
        EXPECT_FALSE(is_utf8(bad));
}

TEST(text, utf8_is_checked_at_every_position_and_length) {
    for (std::size_t size = 1; size < 300; size += size < 40 ? 1 : 13)
        for (std::size_t at = 0; at < size; ++at) {
            std::string s(size, 'x');
            EXPECT_TRUE(is_utf8(s));
            s[at] = '\xc3';
            EXPECT_FALSE(is_utf8(s)) << size << " " << at;
            if (at + 1 == size) continue;
            s[at + 1] = '\xa4';
            EXPECT_TRUE(is_utf8(s)) << size << " " << at;
        }
}

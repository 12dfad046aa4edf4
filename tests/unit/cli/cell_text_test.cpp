#include "kernel/app/sigrun/cell_text.hpp"

#include <gtest/gtest.h>

namespace sigrun::cli {
namespace {

TEST(cell_text, control_characters_and_escapes_become_visible) {
    EXPECT_EQ(printable("a\nb\tc\r"), "a\\nb\\tc\\r");
    EXPECT_EQ(printable("\x1b[31mred\x7f"), "\\x1b[31mred\\x7f");
    EXPECT_EQ(printable("\xC2\x9B"
                        "31m"),
              "\\x9b31m");  // the one-byte CSI of C1
    EXPECT_EQ(printable("a\xE2\x80\xAE"
                        "b"),
              "a\\u202eb");  // right-to-left override
}

TEST(cell_text, bad_bytes_become_the_replacement_mark_and_good_ones_stay) {
    EXPECT_EQ(printable("gr\xC3\xBC\xC3\x9F"), "gr\xC3\xBC\xC3\x9F");
    EXPECT_EQ(printable("\xFF"), "\xEF\xBF\xBD");
    EXPECT_EQ(printable("\xC3"), "\xEF\xBF\xBD");                  // cut short
    EXPECT_EQ(printable("\xC0\xAF"), "\xEF\xBF\xBD\xEF\xBF\xBD");  // overlong slash
    EXPECT_FALSE(is_utf8("\xED\xA0\x80"));                         // a surrogate
    EXPECT_TRUE(is_utf8("\xF0\x9F\x98\x80"));
}

TEST(cell_text, wide_characters_take_two_columns_and_marks_none) {
    EXPECT_EQ(columns_of("abc"), 3u);
    EXPECT_EQ(columns_of("\xE6\x97\xA5\xE6\x9C\xAC"), 4u);
    EXPECT_EQ(columns_of("e\xCC\x81"), 1u);
}

TEST(cell_text, cutting_ends_in_an_ellipsis_and_keeps_the_limit) {
    EXPECT_EQ(cut_to("abcdef", 6), "abcdef");
    EXPECT_EQ(cut_to("abcdefg", 6), "abcde\xE2\x80\xA6");
    EXPECT_EQ(cut_to("abc def", 5), "abc\xE2\x80\xA6");  // no blank before the ellipsis
    EXPECT_EQ(cut_to("abc", 0), "");
    EXPECT_EQ(cut_to("abc", 1), "\xE2\x80\xA6");
    const std::string wide = cut_to("\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E", 4);
    EXPECT_LE(columns_of(wide), 4u);
}

}  // namespace
}  // namespace sigrun::cli

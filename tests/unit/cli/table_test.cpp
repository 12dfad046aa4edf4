#include "kernel/app/sigrun/table.hpp"

#include "kernel/app/sigrun/cell_text.hpp"

#include <gtest/gtest.h>

#include <sstream>

namespace sigrun::cli {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> out;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) out.push_back(line);
    return out;
}

TEST(table, columns_are_aligned_and_nothing_trails) {
    table t({{"name"}, {"n", column::k_right}, {"note"}});
    t.add({"a", "1", "first"});
    t.add({"longer", "20", ""});
    EXPECT_EQ(t.render({}), "NAME     N  NOTE\na        1  first\nlonger  20\n");
}

TEST(table, a_column_without_any_value_is_left_out) {
    table t({{"name"}, {"reason"}, {"age"}});
    t.add({"a", "", "1s"});
    EXPECT_EQ(t.render({}), "NAME  AGE\na     1s\n");
}

TEST(table, the_widest_columns_give_way_to_the_terminal) {
    table t({{"id", column::k_whole}, {"command", 0, 8}, {"labels", 0, 8}});
    t.add({"0c8e6a1d4b21", "make -j4 check install dist upload everything", "zone=eu"});
    const terminal narrow{false, 50};
    for (const auto& line : lines_of(t.render(narrow))) EXPECT_LE(columns_of(line), 50u) << line;
    const std::string text = t.render(narrow);
    EXPECT_NE(text.find("0c8e6a1d4b21"), std::string::npos);
    EXPECT_NE(text.find("zone=eu"), std::string::npos) << "the short column keeps its text";
    EXPECT_NE(text.find("\xE2\x80\xA6"), std::string::npos);
}

TEST(table, optional_columns_go_before_required_ones_shrink_below_their_least) {
    table t({{"name", 0, 10}, {"kind", column::k_whole | column::k_optional}, {"state", column::k_whole}});
    t.add({"a-rather-long-name", "a-kind-that-is-long", "online"});
    const std::string text = t.render({false, 20});
    EXPECT_EQ(text.find("KIND"), std::string::npos);
    EXPECT_NE(text.find("online"), std::string::npos);
    for (const auto& line : lines_of(text)) EXPECT_LE(columns_of(line), 20u) << line;
}

TEST(table, every_width_is_kept_as_long_as_the_least_widths_fit) {
    table t({{"a", 0, 3}, {"b", column::k_right, 3}, {"c", column::k_optional, 3}});
    t.add({"one two three", "four five six", "\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E text"});
    for (unsigned width = 8; width < 60; ++width)
        for (const auto& line : lines_of(t.render({false, width})))
            EXPECT_LE(columns_of(line), width) << "width " << width << ": " << line;
}

TEST(table, colours_do_not_change_the_layout) {
    table t({{"name"}, {"state"}});
    t.add({"a", cell("online", style::good)});
    std::string text = t.render({true, 0});
    EXPECT_NE(text.find("\033[32monline\033[0m"), std::string::npos);
    for (auto at = text.find('\033'); at != std::string::npos; at = text.find('\033'))
        text.erase(at, text.find('m', at) - at + 1);
    EXPECT_EQ(text, t.render({false, 0}));
}

TEST(table, cells_cannot_move_the_cursor) {
    table t({{"name"}});
    t.add({"x\033[2J\ny"});
    EXPECT_EQ(t.render({}), "NAME\nx\\x1b[2J\\ny\n");
}

TEST(fields, values_line_up_and_empty_ones_are_left_out) {
    fields f;
    f.add("id", "7");
    f.add("reason", "");
    f.add("state", "queued");
    EXPECT_EQ(f.render({}, "  "), "  id     7\n  state  queued\n");
}

TEST(fields, long_values_wrap_under_themselves) {
    fields f;
    f.add("reason", "no runner has a gpu with enough memory for this job");
    const std::string text = f.render({false, 34});
    for (const auto& line : lines_of(text)) EXPECT_LE(columns_of(line), 34u) << line;
    EXPECT_EQ(lines_of(text).at(1).substr(0, 8), std::string(8, ' '));
    EXPECT_GT(lines_of(text).size(), 1u);
}

}  // namespace
}  // namespace sigrun::cli

#include "kernel/app/sigrun/top/list_model.hpp"
#include "kernel/app/sigrun/top/views.hpp"
#include "kernel/base/rfc3339.hpp"

#include <gtest/gtest.h>

namespace sigrun::cli::top {
namespace {

list_row row(const std::string& name, std::optional<double> n) {
    return {name, {{cell(name)}, {cell(n ? std::to_string(static_cast<int>(*n)) : ""), n}}};
}

list_model list_of(std::vector<list_row> rows) {
    list_model out({{"name", 0, 4}, {"jobs", column::k_right | column::k_whole | column::k_optional, 0, true, true}});
    out.set_rows(std::move(rows));
    return out;
}

std::string names(const list_model& list) {
    std::string out;
    for (std::size_t i = 0; i < list.shown(); ++i) out += (i ? " " : "") + list.at(i).key;
    return out;
}

TEST(top_list, names_are_sorted_as_people_count) {
    auto list = list_of({row("r10", 1), row("R2", 2), row("r1", 3), row("r02b", 3)});
    list.sort_by(0);
    EXPECT_EQ(names(list), "r1 R2 r02b r10");
    list.reverse();
    EXPECT_EQ(names(list), "r10 r02b R2 r1");
}

TEST(top_list, unknown_numbers_are_last_both_ways) {
    auto list = list_of({row("a", {}), row("b", 1), row("c", 7)});
    list.sort_by(1);
    EXPECT_EQ(names(list), "c b a");
    list.reverse();
    EXPECT_EQ(names(list), "b c a");
}

TEST(top_list, the_filter_takes_any_column_and_any_case) {
    auto list = list_of({row("Build-1", 1), row("test-1", 22), row("build-2", 3)});
    list.filter("BUILD");
    EXPECT_EQ(names(list), "Build-1 build-2");
    list.filter("22");
    EXPECT_EQ(names(list), "test-1");
    list.filter("");
    EXPECT_EQ(list.shown(), 3u);
}

TEST(top_list, the_selection_stays_with_its_row_but_the_top_is_the_top) {
    auto list = list_of({row("a", 1), row("b", 2)});
    list.set_rows({row("new", 0), row("a", 1), row("b", 2)});
    EXPECT_EQ(list.selected_row()->key, "new");
    list.move(1);
    list.set_rows({row("newer", 0), row("new", 0), row("a", 1), row("b", 2)});
    EXPECT_EQ(list.selected_row()->key, "a");
    list.filter("b");
    EXPECT_EQ(list.selected_row()->key, "b");
    list.filter("nothing like it");
    EXPECT_EQ(list.selected_row(), nullptr);
    list.move(1);
}

TEST(top_list, the_window_follows_the_selection) {
    std::vector<list_row> rows;
    for (int i = 0; i < 100; ++i) rows.push_back(row("r" + std::to_string(i), i));
    auto list = list_of(std::move(rows));
    list.move(9);
    EXPECT_EQ(list.window(10), 0u);
    list.move(1);
    EXPECT_EQ(list.window(10), 1u);
    list.move(1000);
    EXPECT_EQ(list.selected(), 99u);
    EXPECT_EQ(list.window(10), 90u);
    list.move(-1000);
    EXPECT_EQ(list.window(10), 0u);
}

TEST(top_list, columns_that_have_no_room_are_left_out_and_none_sticks_out) {
    auto list = list_of({row("a-rather-long-name", 1)});
    EXPECT_EQ(place_columns(list, 0, 10, 80).size(), 2u);
    const auto narrow = place_columns(list, 0, 10, 6);
    ASSERT_EQ(narrow.size(), 1u);
    EXPECT_LE(narrow[0].x + narrow[0].width, 6u);
}

TEST(top_views, names_with_control_characters_do_not_reach_the_screen) {
    const auto rows =
        runner_rows(json::parse(R"([{"id":"1","name":"a\u001b[2J\nb","status":"online"}])").as_array(), 0);
    ASSERT_EQ(rows.size(), 1u);
    EXPECT_EQ(rows[0].cells[0].shown.text, "a\\x1b[2J\\nb");
}

TEST(top_views, a_protocol_is_summed_over_the_runners_that_have_it) {
    const auto runners = json::parse(R"([
        {"rung":"valkyrie","in_flight":3,"protocols":[{"name":"valkyrie","state":"up","latency_us":100},
                                                      {"name":"http","state":"up","latency_us":900}]},
        {"rung":"http","in_flight":1,"protocols":[{"name":"valkyrie","state":"down","latency_us":null},
                                                  {"name":"http","state":"up","latency_us":700}]}])")
                             .as_array();
    const auto before = parse_metrics("sigrun_protocol_calls_total{protocol=\"http\"} 10\n");
    const auto now = parse_metrics(
        "# TYPE x counter\nsigrun_protocol_calls_total{protocol=\"http\"} 30\nsigrun_protocol_up{protocol=\"grpc\"} 1\n"
        "sigrun_call_seconds_bucket{protocol=\"http\",le=\"1\"} 4\n");
    EXPECT_EQ(now.size(), 2u);
    const auto rows = protocol_rows(runners, now, before, 2);
    ASSERT_EQ(rows.size(), 3u);  // grpc, http, valkyrie
    EXPECT_EQ(rows[0].key, "grpc");
    EXPECT_EQ(rows[1].cells[1].number, 1);   // in use by
    EXPECT_EQ(rows[1].cells[2].number, 2);   // up
    EXPECT_EQ(rows[1].cells[7].number, 10);  // calls per second
    EXPECT_EQ(rows[2].cells[3].number, 1);   // degraded
    EXPECT_EQ(rows[2].cells[4].number, 3);   // jobs
    EXPECT_FALSE(protocol_rows(runners, now, before, 0)[1].cells[7].number);
}

TEST(top_views, a_runner_without_known_places_has_no_load) {
    const auto rows = runner_rows(json::parse(R"([{"id":"1","name":"a","slots":null,"in_flight":2},
                                                  {"id":"2","name":"b","slots":4,"in_flight":1,
                                                   "stats":{"completed":3,"failed":1}}])")
                                      .as_array(),
                                  0);
    EXPECT_EQ(rows[0].cells[4].shown.text, "2/?");
    EXPECT_FALSE(rows[0].cells[5].number);
    EXPECT_EQ(rows[1].cells[5].number, 0.25);
    EXPECT_EQ(rows[1].cells[6].number, 0.75);
}

}  // namespace
}  // namespace sigrun::cli::top

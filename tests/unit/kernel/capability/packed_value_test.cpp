#include "kernel/capability/packed_value.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <random>

namespace sigrun {
namespace {

std::string packed(const json::value& v) {
    std::string out;
    pack(out, v);
    return out;
}
json::value back(const json::value& v) {
    const auto bytes = packed(v);
    const packed_value view(bytes.data());
    EXPECT_EQ(view.bytes(), bytes) << "it knows where it ends";
    return view.to_json();
}

TEST(packed_value, every_kind_comes_back_as_it_was) {
    const json::value all = json::array{
        nullptr,
        true,
        false,
        0,
        -1,
        63,
        -64,
        64,
        std::numeric_limits<std::int64_t>::min(),
        std::numeric_limits<std::int64_t>::max(),
        std::numeric_limits<std::uint64_t>::max(),
        0.1,
        -1e300,
        "",
        "short",
        std::string(100'000, 'x'),
        json::array{},
        json::object{},
        json::object{{"name", "eth0"}, {"", 1}, {std::string(65, 'n'), json::array{1, json::object{{"deep", 2.5}}}}},
    };
    for (const auto& each : all.as_array()) EXPECT_EQ(back(each), each) << each;
    EXPECT_EQ(back(all), all);
}

TEST(packed_value, a_number_is_the_same_however_it_was_typed) {
    EXPECT_EQ(packed(std::int64_t{7}), packed(std::uint64_t{7}));
    EXPECT_NE(packed(std::uint64_t{1} << 63), packed(std::numeric_limits<std::int64_t>::min()));
}

TEST(packed_value, lists_and_records_are_read_where_they_lie) {
    const auto bytes = packed(json::array{json::object{{"mount", "/"}, {"size", 100}}, "text", json::array{1, 2, 3}});
    const packed_value list(bytes.data());
    ASSERT_EQ(list.size(), 3u);
    EXPECT_EQ(list.element(0).member("mount").text(), "/");
    EXPECT_EQ(list.element(0).member("size").integer(), 100);
    EXPECT_EQ(list.element(0).size(), 2u);
    EXPECT_FALSE(list.element(0).member("siz"));
    EXPECT_EQ(list.element(2).element(2).integer(), 3);
    EXPECT_FALSE(list.element(3)) << "past the end";
    EXPECT_FALSE(list.element(1).element(0)) << "a text has no elements";
    EXPECT_FALSE(list.member("mount")) << "a list has no members";
    EXPECT_EQ(list.element(1).size(), 0u);
    packed_value::elements walk(list);
    EXPECT_EQ(walk.left(), 3u);
    EXPECT_EQ(walk.next().size(), 2u);
    EXPECT_EQ(walk.next().text(), "text");
    EXPECT_EQ(walk.next().size(), 3u);
    EXPECT_EQ(walk.left(), 0u);
}

TEST(packed_value, records_of_a_list_cost_little_more_than_their_values) {
    json::array mounts;
    for (int i = 0; i < 10; ++i)
        mounts.push_back(json::object{{"mount", "/"}, {"available_bytes", 1'000'000'000 + i}, {"readonly", false}});
    EXPECT_LT(packed(mounts).size(), 10 * 24u) << json::serialize(mounts).size() << " bytes as text";
}

TEST(packed_value, more_names_than_the_table_has_room_for_are_written_out) {
    for (int i = 0; i < 5000; ++i) {
        const json::object one{{"name_" + std::to_string(i), i}};
        ASSERT_EQ(back(one), json::value(one));
        const auto bytes = packed(one);
        ASSERT_EQ(packed_value(bytes.data()).member("name_" + std::to_string(i)).integer(), i);
    }
}

TEST(packed_value, random_documents_come_back) {
    std::mt19937_64 random(7);
    std::function<json::value(int)> make = [&](int depth) -> json::value {
        switch (random() % (depth > 3 ? 6 : 8)) {
            case 0: return nullptr;
            case 1: return random() % 2 == 0;
            case 2: return static_cast<std::int64_t>(random() >> random() % 64) * (random() % 2 ? 1 : -1);
            case 3: return random();
            case 4: return static_cast<double>(random()) / 3;
            case 5: return json::value(std::string(random() % 300, static_cast<char>('a' + random() % 26)));
            case 6: {
                json::array a;
                for (auto n = random() % 6; n; --n) a.push_back(make(depth + 1));
                return a;
            }
            default: {
                json::object o;
                for (auto n = random() % 6; n; --n) o["m" + std::to_string(random() % 20)] = make(depth + 1);
                return o;
            }
        }
    };
    for (int i = 0; i < 2000; ++i) {
        const auto v = make(0);
        ASSERT_EQ(back(v), v);
    }
}

}  // namespace
}  // namespace sigrun

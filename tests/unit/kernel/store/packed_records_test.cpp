#include "kernel/store/packed_records.hpp"

#include <gtest/gtest.h>

using namespace sigrun;

namespace {

void number(std::string& out, std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
}
std::string one_record(std::uint64_t position, std::string_view key, std::string_view body) {
    std::string out;
    number(out, 1, 4);
    number(out, key.size(), 4);
    number(out, body.size(), 4);
    number(out, position, 8);
    return out.append(key).append(body);
}
std::string page(std::uint32_t count, std::uint64_t next, const std::string& packed) {
    std::string out;
    number(out, count, 4);
    number(out, next, 8);
    return out + packed;
}

}  // namespace

TEST(packed_records, are_read_back) {
    auto text = page(2, 9, one_record(4, "a", "{}") + one_record(9, "key", ""));
    auto got = unpack_records(text);
    ASSERT_TRUE(got.has_value()) << got.error().text();
    ASSERT_EQ(got->records.size(), 2u);
    EXPECT_EQ(got->next, 9u);
    EXPECT_EQ(got->records[0].key, "a");
    EXPECT_EQ(got->records[0].body, "{}");
    EXPECT_EQ(got->records[1].position, 9u);
    EXPECT_TRUE(unpack_records(page(0, 0, ""))->records.empty());
}

TEST(packed_records, every_cut_is_refused) {
    auto text = page(2, 0, one_record(1, "key", "{\"a\":1}") + one_record(2, "b", "{}"));
    for (std::size_t n = 0; n < text.size(); ++n) EXPECT_FALSE(unpack_records(text.substr(0, n)).has_value()) << n;
    EXPECT_FALSE(unpack_records(text + "x").has_value());
}

TEST(packed_records, lies_are_refused) {
    EXPECT_FALSE(unpack_records(page(0xffffffff, 0, one_record(1, "a", "{}"))).has_value()) << "count";
    EXPECT_FALSE(unpack_records(page(2, 0, one_record(2, "a", "{}") + one_record(2, "b", "{}"))).has_value())
        << "order";
    EXPECT_FALSE(unpack_records(page(1, 0, one_record(0, "a", "{}"))).has_value()) << "position 0";
    EXPECT_FALSE(unpack_records(page(1, 7, one_record(2, "a", "{}"))).has_value()) << "next";
    EXPECT_FALSE(unpack_records(page(0, 7, "")).has_value()) << "an empty page that goes on would never end";
}

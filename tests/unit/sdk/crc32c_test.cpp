// CRC32C: the published check value, and the same result however the bytes are cut and by either way.
#include <sigrun/cpp/crc32c.hpp>

#include <gtest/gtest.h>

#include <string>

namespace sigrun::sdk {
namespace {

std::uint32_t portable(std::string_view bytes) {
    return ~crc_detail::feed_portable(0xFFFFFFFFu, bytes.data(), bytes.size());
}

TEST(crc32c, the_published_check_value) {
    EXPECT_EQ(crc32c().feed("123456789").value(), 0xE3069283u);
    EXPECT_EQ(portable("123456789"), 0xE3069283u);
    EXPECT_EQ(crc32c().value(), 0u);
}

TEST(crc32c, pieces_of_any_size_give_what_the_whole_gives) {
    std::string all;
    for (int i = 0; i < 1000; ++i) all.push_back(static_cast<char>(i * 7));
    for (std::size_t cut = 0; cut <= all.size(); cut += 13) {
        auto two = crc32c().feed(std::string_view(all).substr(0, cut)).feed(std::string_view(all).substr(cut)).value();
        ASSERT_EQ(two, portable(all)) << cut;
    }
}

}  // namespace
}  // namespace sigrun::sdk

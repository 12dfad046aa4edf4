#include "kernel/capability/probe_frames.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace sigrun {
namespace {

std::vector<std::string> read_in_pieces(const std::string& bytes, std::size_t size) {
    probe_frame_reader reader;
    std::vector<std::string> out;
    for (std::size_t at = 0; at < bytes.size(); at += size) {
        reader.take(std::string_view(bytes).substr(at, size));
        for (;;) {
            auto frame = reader.next();
            if (!frame) return out.push_back(frame.error().text()), out;
            if (!*frame) break;
            out.push_back(std::to_string(static_cast<int>((*frame)->word)) + ":" + std::string((*frame)->payload));
        }
    }
    return out;
}

TEST(probe_frames, come_out_as_they_went_in_however_they_are_cut) {
    const std::string bytes = frame_bytes(probe_word::ready, {}) + frame_bytes(probe_word::facts, 7, "{}") +
                              frame_bytes(probe_word::log, "\3text");
    const std::string seven("\7\0\0\0\0\0\0\0", 8);
    const std::vector<std::string> expected{"4:", "6:" + seven + "{}", "8:\3text"};
    for (std::size_t size = 1; size <= bytes.size(); ++size) EXPECT_EQ(read_in_pieces(bytes, size), expected) << size;
}

TEST(probe_frames, a_number_comes_back) {
    const auto whole = frame_bytes(probe_word::done, 0x0123456789abcdef, "why");
    const auto part = split_number(std::string_view(whole).substr(5));
    ASSERT_TRUE(part);
    EXPECT_EQ(part->number, 0x0123456789abcdefu);
    EXPECT_EQ(part->rest, "why");
    EXPECT_FALSE(split_number("1234567"));
}

TEST(probe_frames, an_unfinished_frame_waits_and_a_wrong_one_ends_it) {
    EXPECT_TRUE(read_in_pieces(std::string("\1\0\0\0\4", 5), 5).empty());
    const auto kind = read_in_pieces(std::string("\0\0\0\0\11", 5), 5), zero = read_in_pieces(std::string(5, '\0'), 5);
    ASSERT_EQ(kind.size(), 1u);
    EXPECT_NE(kind[0].find("kind of a frame"), std::string::npos) << kind[0];
    ASSERT_EQ(zero.size(), 1u);
    const auto length = read_in_pieces("this is no message", 18);
    ASSERT_EQ(length.size(), 1u);
    EXPECT_NE(length[0].find("length of a frame"), std::string::npos) << length[0];
}

TEST(probe_frames, the_largest_frame_fits_and_the_next_size_does_not) {
    const std::string most(k_max_probe_payload, 'x');
    EXPECT_EQ(read_in_pieces(frame_bytes(probe_word::facts, most), 4096), std::vector<std::string>{"6:" + most});
    EXPECT_NE(read_in_pieces(frame_bytes(probe_word::facts, most + "x"), 4096).at(0).find("at most"),
              std::string::npos);
}

}  // namespace
}  // namespace sigrun

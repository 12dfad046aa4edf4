// Replays the seeds of the fuzzer of probe frames, whole, cut, and with every byte changed.
#include "tests/fuzz/probe_frames_target.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace sigrun {
namespace {

TEST(probe_frames_corpus, replays_without_a_broken_promise) {
    std::size_t seeds = 0, frames = 0;
    for (const auto& file : std::filesystem::directory_iterator(SIGRUN_SOURCE_DIR "/tests/fuzz/probe_frames.corpus")) {
        std::stringstream in;
        in << std::ifstream(file.path(), std::ios::binary).rdbuf();
        const std::string bytes = in.str();
        ++seeds;
        frames += read_probe_frames(bytes);
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            read_probe_frames(std::string_view(bytes).substr(0, i));
            for (int change : {1, 0x20, 0x80, 0xff}) {
                std::string other = bytes;
                other[i] = static_cast<char>(other[i] ^ change);
                read_probe_frames(other);
            }
        }
    }
    EXPECT_GE(seeds, 10u);
    EXPECT_GE(frames, 9u);
}

}  // namespace
}  // namespace sigrun

// Replays the seeds of a fuzz target under the ordinary compilers: whole, cut anywhere, and with every byte changed.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

namespace sigrun {

using fuzz_target = int (*)(const std::uint8_t*, std::size_t);

/// `corpus`: tests/fuzz/<corpus>.corpus, which holds `at_least` so many seeds. Every byte is flipped in some ways, and becomes
/// each of `replacements`: the bytes that mean something to this target.
inline void replay_seeds(const std::string& corpus, fuzz_target target, std::size_t at_least,
                         std::string_view replacements) {
    const auto feed = [target](const std::string& input) {
        EXPECT_EQ(target(reinterpret_cast<const std::uint8_t*>(input.data()), input.size()), 0);
    };
    std::size_t seeds = 0;
    for (const auto& entry :
         std::filesystem::directory_iterator(SIGRUN_SOURCE_DIR "/tests/fuzz/" + corpus + ".corpus")) {
        SCOPED_TRACE(entry.path().filename().string());
        std::ifstream file(entry.path(), std::ios::binary);
        const std::string seed(std::istreambuf_iterator<char>(file), {});
        ASSERT_FALSE(seed.empty());
        feed(seed);
        for (std::size_t i = 0; i < seed.size(); ++i) {
            feed(seed.substr(0, i));
            auto changed = seed;
            for (const unsigned flip : {0x01u, 0x80u, 0xffu}) {
                changed[i] = static_cast<char>(static_cast<unsigned char>(seed[i]) ^ flip);
                feed(changed);
            }
            for (const char c : replacements) {
                changed[i] = c;
                feed(changed);
            }
        }
        ++seeds;
    }
    EXPECT_GE(seeds, at_least);
}

}  // namespace sigrun

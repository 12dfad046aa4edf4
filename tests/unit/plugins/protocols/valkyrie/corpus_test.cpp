// Replays the seed corpus of the fuzz target, whole and with every byte changed once, under the ordinary
// compiler.
#include "fuzz/valkyrie_frames_fuzz.cpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

TEST(valkyrie_corpus, mission_V1_the_seeds_and_their_neighbours_do_not_break_the_decoder) {
    std::size_t seeds = 0;
    for (const auto& entry : std::filesystem::directory_iterator(SIGRUN_SOURCE_DIR "/tests/fuzz/valkyrie.corpus")) {
        std::ifstream file(entry.path(), std::ios::binary);
        std::string bytes((std::istreambuf_iterator<char>(file)), {});
        auto run = [](const std::string& input) {
            LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
        };
        run(bytes);
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            for (unsigned flip : {0x01u, 0x80u, 0xffu}) {
                auto changed = bytes;
                changed[i] = static_cast<char>(static_cast<unsigned char>(changed[i]) ^ flip);
                run(changed);
            }
            run(bytes.substr(0, i));
        }
        ++seeds;
    }
    EXPECT_GE(seeds, 20u);
}

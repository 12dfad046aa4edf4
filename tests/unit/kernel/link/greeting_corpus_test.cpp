// Replays the seeds of the fuzz target, whole, cut anywhere and with every byte changed, under the ordinary
// compiler.
#include "fuzz/greeting_fuzz.cpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace {

void replay(const std::string& input) {
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

TEST(greeting_corpus, the_seeds_and_their_neighbours_break_no_promise) {
    std::size_t seeds = 0;
    for (const auto& file : std::filesystem::directory_iterator(SIGRUN_SOURCE_DIR "/tests/fuzz/greeting.corpus")) {
        std::ifstream in(file.path(), std::ios::binary);
        const std::string seed((std::istreambuf_iterator<char>(in)), {});
        ASSERT_FALSE(seed.empty()) << file.path();
        replay(seed);
        for (std::size_t i = 0; i < seed.size(); ++i) {
            replay(seed.substr(0, i));
            for (const char c : {'\0', '"', '[', '\xff', ' ', '}', '9', '\n'}) {
                auto changed = seed;
                changed[i] = c;
                replay(changed);
            }
        }
        ++seeds;
    }
    EXPECT_GE(seeds, 4u);
}

}  // namespace

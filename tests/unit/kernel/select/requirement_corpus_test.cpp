// Replays the seeds of the fuzzer, so that they are checked with every compiler.
#include "fuzz/requirement_fuzz.cpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace {

TEST(requirement_corpus, every_seed_holds_the_properties_of_the_fuzzer) {
    int seeds = 0;
    for (const auto& entry : std::filesystem::directory_iterator(SIGRUN_SOURCE_DIR "/tests/fuzz/requirement.corpus")) {
        std::ifstream file(entry.path(), std::ios::binary);
        const std::string text{std::istreambuf_iterator<char>(file), {}};
        SCOPED_TRACE(entry.path().filename().string());
        EXPECT_EQ(LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()), 0);
        // And every beginning of it: most of them are refused, none may crash.
        for (std::size_t n = 0; n < text.size(); ++n)
            EXPECT_EQ(LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(text.data()), n), 0);
        ++seeds;
    }
    EXPECT_GE(seeds, 5);
}

}  // namespace

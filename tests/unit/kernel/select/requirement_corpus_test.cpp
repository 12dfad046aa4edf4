#include "fuzz/replay.hpp"
#include "fuzz/requirement_fuzz.cpp"

using namespace std::literals;

TEST(requirement_corpus, every_seed_holds_the_properties_of_the_fuzzer) {
    sigrun::replay_seeds("requirement", LLVMFuzzerTestOneInput, 5, "\0(\"9 "sv);
}

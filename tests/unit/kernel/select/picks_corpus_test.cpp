#define LLVMFuzzerTestOneInput picks_target  // another corpus test of this program has one of that name
#include "fuzz/picks_fuzz.cpp"
#include "fuzz/replay.hpp"

using namespace std::literals;

TEST(picks_corpus, every_seed_holds_the_properties_of_the_fuzzer) {
    sigrun::replay_seeds("picks", picks_target, 1, "\0\1@S "sv);
}

#include "fuzz/replay.hpp"
#include "fuzz/valkyrie_frames_fuzz.cpp"

TEST(valkyrie_corpus, mission_V1_the_seeds_and_their_neighbours_do_not_break_the_decoder) {
    sigrun::replay_seeds("valkyrie", LLVMFuzzerTestOneInput, 20, {});
}

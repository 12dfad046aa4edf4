#include "fuzz/mounts_fuzz.cpp"
#include "fuzz/replay.hpp"

using namespace std::literals;

TEST(mounts_corpus, the_seeds_and_their_neighbours_break_no_promise) {
    sigrun::replay_seeds("mounts", LLVMFuzzerTestOneInput, 2, "\0/ 0-,\n\\"sv);
}

#include "fuzz/probe_frames_fuzz.cpp"
#include "fuzz/replay.hpp"

using namespace std::literals;

TEST(probe_frames_corpus, the_seeds_and_their_neighbours_break_no_promise) {
    sigrun::replay_seeds("probe_frames", LLVMFuzzerTestOneInput, 10, "\0\x06\x08\"{}\xff"sv);
}

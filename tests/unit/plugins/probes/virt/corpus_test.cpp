#include "fuzz/cloud_fuzz.cpp"
#include "fuzz/replay.hpp"

using namespace std::literals;

TEST(cloud_corpus, the_seeds_and_their_neighbours_break_no_promise) {
    sigrun::replay_seeds("cloud", LLVMFuzzerTestOneInput, 2, "\0{}[]\",:/\xff"sv);
}

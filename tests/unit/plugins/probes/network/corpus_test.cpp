#include "fuzz/network_fuzz.cpp"
#include "fuzz/replay.hpp"

using namespace std::literals;

TEST(network_corpus, the_seeds_and_their_neighbours_break_no_promise) {
    sigrun::replay_seeds("network", LLVMFuzzerTestOneInput, 3, "\0@#/: \n\xff"sv);
}

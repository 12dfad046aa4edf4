#include "fuzz/replay.hpp"
#include "fuzz/software_fuzz.cpp"

using namespace std::literals;

TEST(software_corpus, the_seeds_and_their_neighbours_break_no_promise) {
    sigrun::replay_seeds("software", LLVMFuzzerTestOneInput, 5, "\0.-+~: \n\xff"sv);
}

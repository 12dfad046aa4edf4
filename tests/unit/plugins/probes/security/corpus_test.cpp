#include "fuzz/replay.hpp"
#include "fuzz/security_texts_fuzz.cpp"

using namespace std::literals;

TEST(security_texts_corpus, the_seeds_and_their_neighbours_stay_in_bounds) {
    sigrun::replay_seeds("security_texts", LLVMFuzzerTestOneInput, 3, "\0, \n-f\xff"sv);
}

#include "fuzz/auth_fuzz.cpp"
#include "fuzz/replay.hpp"

using namespace std::literals;

TEST(auth_corpus, the_seeds_and_their_neighbours_open_no_door) {
    sigrun::replay_seeds("auth", LLVMFuzzerTestOneInput, 9, "\0\"*\xff }9\n"sv);
}

#include "fuzz/declared_fuzz.cpp"
#include "fuzz/replay.hpp"

using namespace std::literals;

TEST(declared_corpus, the_seeds_and_their_neighbours_break_no_promise) {
    sigrun::replay_seeds("declared", LLVMFuzzerTestOneInput, 3, "\0=[]{}\",;\n\xff"sv);
}

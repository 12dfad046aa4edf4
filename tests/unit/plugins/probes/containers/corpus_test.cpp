#include "fuzz/engine_fuzz.cpp"
#include "fuzz/replay.hpp"

using namespace std::literals;

TEST(engine_corpus, the_seeds_and_their_neighbours_break_no_promise) {
    sigrun::replay_seeds("engine", LLVMFuzzerTestOneInput, 2, "\0{}[]\",:\xff"sv);
}

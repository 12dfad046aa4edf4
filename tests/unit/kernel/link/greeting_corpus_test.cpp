#include "fuzz/greeting_fuzz.cpp"
#include "fuzz/replay.hpp"

using namespace std::literals;

TEST(greeting_corpus, the_seeds_and_their_neighbours_break_no_promise) {
    sigrun::replay_seeds("greeting", LLVMFuzzerTestOneInput, 4, "\0\"[\xff }9\n"sv);
}

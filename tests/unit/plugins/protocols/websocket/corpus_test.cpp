#include "fuzz/replay.hpp"
#include "fuzz/websocket_fuzz.cpp"

using namespace std::literals;

TEST(websocket_corpus, the_seeds_and_their_neighbours_break_no_promise) {
    sigrun::replay_seeds("websocket", LLVMFuzzerTestOneInput, 8, "\0\"%\xff }9\n"sv);
}

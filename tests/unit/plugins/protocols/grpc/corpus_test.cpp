#include "fuzz/grpc_fuzz.cpp"
#include "fuzz/replay.hpp"

using namespace std::literals;

TEST(grpc_corpus, the_seeds_and_their_neighbours_break_no_promise) {
    sigrun::replay_seeds("grpc", LLVMFuzzerTestOneInput, 10, "\0\"%\xff }9\n"sv);
}

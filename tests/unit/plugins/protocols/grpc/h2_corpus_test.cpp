#define LLVMFuzzerTestOneInput one_connection  // another target is replayed in this program
#include "fuzz/grpc_h2_fuzz.cpp"
#include "fuzz/replay.hpp"

using namespace std::literals;

TEST(grpc_h2_corpus, the_seeds_and_their_neighbours_break_no_promise) {
    sigrun::replay_seeds("grpc_h2", one_connection, 11, "\0"sv);
}

#include "fuzz/job_signature_fuzz.cpp"
#include "fuzz/replay.hpp"

TEST(job_signature_corpus, the_seeds_and_their_neighbours_are_what_was_signed_or_nothing) {
    sigrun::replay_seeds("job_signature", LLVMFuzzerTestOneInput, 8, "\"{}:1");
}

#include "fuzz/ini_fuzz.cpp"
#include "fuzz/replay.hpp"

using namespace std::literals;

TEST(ini_corpus, replays_without_a_broken_promise) {
    sigrun::replay_seeds("ini", LLVMFuzzerTestOneInput, 5, "\0\n[=$\xff"sv);
}

// What a probe's process might say to its parent. The first byte says how large the pieces are in which it arrives.
#include "tests/fuzz/probe_frames_target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    sigrun::read_probe_frames({reinterpret_cast<const char*>(data), size});
    return 0;
}

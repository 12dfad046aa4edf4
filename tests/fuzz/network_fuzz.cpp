#include "network_target.hpp"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    sigrun::network::parse_network_texts({reinterpret_cast<const char*>(data), size});
    return 0;
}

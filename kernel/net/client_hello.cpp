#include "kernel/net/client_hello.hpp"

#include <cstddef>

namespace sigrun {
namespace {

constexpr unsigned k_max_record = 16 * 1024;
constexpr unsigned k_min_hello = 42;  // header, version, random, and three empty lists

}  // namespace

tls_verdict recognise_client_hello(std::string_view first) noexcept {
    const auto byte = [first](std::size_t i) { return static_cast<unsigned char>(first[i]); };
    const auto size = first.size();
    if (size > 0 && byte(0) != 0x16) return tls_verdict::no;  // handshake
    if (size > 1 && byte(1) != 0x03) return tls_verdict::no;  // SSL 3.0 to TLS 1.3 all say 3
    if (size > 2 && byte(2) > 0x04) return tls_verdict::no;
    if (size > 4) {
        const unsigned length = byte(3) * 256u + byte(4);
        if (length > k_max_record || length < k_min_hello) return tls_verdict::no;
    }
    if (size > 5) return byte(5) == 0x01 ? tls_verdict::yes : tls_verdict::no;  // client_hello
    return tls_verdict::need_more;
}

}  // namespace sigrun

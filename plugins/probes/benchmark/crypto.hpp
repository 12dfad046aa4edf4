// AES-256-GCM and SHA-256 of OpenSSL, as its TLS and digests use them.
#pragma once

#include "time_box.hpp"

namespace sigrun::benchmark {

constexpr std::size_t k_message = 16 * 1024;  // of TLS, and of `openssl speed`

struct crypto_result {
    std::vector<double> bytes_per_second;  // per round
    const char* failure = nullptr;         // OpenSSL does not do it here
};
crypto_result measure_aes(time_box& box);
crypto_result measure_sha256(time_box& box);

}  // namespace sigrun::benchmark

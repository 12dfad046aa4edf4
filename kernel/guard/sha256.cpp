#include "kernel/guard/sha256.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <new>

namespace sigrun {

struct sha256_stream::state {
    EVP_MD_CTX* digest = EVP_MD_CTX_new();
    state() {
        if (!digest || EVP_DigestInit_ex(digest, EVP_sha256(), nullptr) != 1) {
            EVP_MD_CTX_free(digest);
            throw std::bad_alloc();
        }
    }
    state(const state&) = delete;
    state& operator=(const state&) = delete;
    ~state() { EVP_MD_CTX_free(digest); }
};

sha256_stream::sha256_stream() : state_(std::make_unique<state>()) {}
sha256_stream::sha256_stream(sha256_stream&&) noexcept = default;
sha256_stream& sha256_stream::operator=(sha256_stream&&) noexcept = default;
sha256_stream::~sha256_stream() = default;

void sha256_stream::feed(std::string_view bytes) { EVP_DigestUpdate(state_->digest, bytes.data(), bytes.size()); }

std::string sha256_stream::hex() {
    constexpr char k_digits[] = "0123456789abcdef";
    unsigned char raw[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    EVP_DigestFinal_ex(state_->digest, raw, &n);
    std::string out;
    for (unsigned i = 0; i < n; ++i) {
        out += k_digits[raw[i] >> 4];
        out += k_digits[raw[i] & 15];
    }
    return out;
}

bool is_sha256_hex(std::string_view text) noexcept {
    return text.size() == 64 && std::all_of(text.begin(), text.end(),
                                            [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace sigrun

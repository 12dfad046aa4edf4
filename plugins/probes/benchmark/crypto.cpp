#include "crypto.hpp"

#include <openssl/evp.h>

#include <memory>

namespace sigrun::benchmark {
namespace {

constexpr milliseconds k_crypto_round{10};

struct freed {
    void operator()(EVP_CIPHER_CTX* c) const { EVP_CIPHER_CTX_free(c); }
    void operator()(EVP_MD_CTX* c) const { EVP_MD_CTX_free(c); }
};

std::vector<double> in_bytes(std::vector<double> messages) {
    for (double& each : messages) each *= static_cast<double>(k_message);
    return messages;
}

}  // namespace

crypto_result measure_aes(time_box& box) {
    const std::unique_ptr<EVP_CIPHER_CTX, freed> context(EVP_CIPHER_CTX_new());
    const unsigned char key[32] = {1, 2, 3};
    unsigned char nonce[12] = {}, tag[16] = {};
    std::vector<unsigned char> in(k_message, 0x5a), out(k_message + 16);
    int n = 0;
    bool good = context && EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key, nonce) == 1;
    if (!good) return {{}, "OpenSSL has no AES-256-GCM"};
    auto result = rates(box, k_crypto_round, processor_seconds, [&] {
        ++nonce[0];
        good = EVP_EncryptInit_ex(context.get(), nullptr, nullptr, nullptr, nonce) == 1 &&
               EVP_EncryptUpdate(context.get(), out.data(), &n, in.data(), static_cast<int>(k_message)) == 1 &&
               EVP_EncryptFinal_ex(context.get(), out.data() + n, &n) == 1 &&
               EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, sizeof tag, tag) == 1;
        return good;
    });
    if (!good) return {{}, "OpenSSL failed"};
    return {in_bytes(std::move(result)), nullptr};
}

crypto_result measure_sha256(time_box& box) {
    const std::unique_ptr<EVP_MD_CTX, freed> context(EVP_MD_CTX_new());
    std::vector<unsigned char> in(k_message, 0x5a);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    bool good = context != nullptr;
    auto result = rates(box, k_crypto_round, processor_seconds, [&] {
        good = good && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1 &&
               EVP_DigestUpdate(context.get(), in.data(), in.size()) == 1 &&
               EVP_DigestFinal_ex(context.get(), digest, &n) == 1;
        return good;
    });
    if (!good) return {{}, "OpenSSL failed"};
    return {in_bytes(std::move(result)), nullptr};
}

}  // namespace sigrun::benchmark

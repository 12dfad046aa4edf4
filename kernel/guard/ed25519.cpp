#include "kernel/guard/ed25519.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <memory>

namespace sigrun {
namespace {

template <auto Free>
struct freer {
    template <class T>
    void operator()(T* p) const noexcept {
        Free(p);
    }
};
using key_ptr = std::unique_ptr<EVP_PKEY, freer<&EVP_PKEY_free>>;
using context_ptr = std::unique_ptr<EVP_MD_CTX, freer<&EVP_MD_CTX_free>>;
using bio_ptr = std::unique_ptr<BIO, freer<&BIO_free>>;

problem failed(const char* what) {
    char text[160] = "no reason given";
    if (auto code = ERR_get_error()) ERR_error_string_n(code, text, sizeof text);
    ERR_clear_error();
    return make_problem(errc::internal, std::string(what) + ": " + text);
}

bio_ptr reading(std::string_view text) { return bio_ptr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

// A key with a passphrase is refused instead of asking on the terminal.
int no_passphrase(char*, int, int, void*) { return -1; }

result<key_ptr> checked(key_ptr key, const char* field) {
    ERR_clear_error();
    if (!key) return bad_value(field, "an ed25519 key in PEM, without a passphrase", "something else");
    if (EVP_PKEY_id(key.get()) != EVP_PKEY_ED25519)
        return bad_value(field, "an ed25519 key", OBJ_nid2sn(EVP_PKEY_id(key.get())));
    return key;
}
result<key_ptr> private_key(std::string_view pem) {
    return checked(key_ptr(PEM_read_bio_PrivateKey(reading(pem).get(), nullptr, &no_passphrase, nullptr)),
                   "private key");
}
result<key_ptr> public_key(std::string_view pem) {
    return checked(key_ptr(PEM_read_bio_PUBKEY(reading(pem).get(), nullptr, &no_passphrase, nullptr)), "public key");
}

template <class Write>
result<std::string> written(Write write) {
    bio_ptr out(BIO_new(BIO_s_mem()));
    if (!out || write(out.get()) != 1) return failed("the key cannot be written");
    char* data = nullptr;
    const auto n = BIO_get_mem_data(out.get(), &data);
    return std::string(data, static_cast<std::size_t>(n));
}
result<std::string> public_pem(EVP_PKEY* key) {
    return written([key](BIO* out) { return PEM_write_bio_PUBKEY(out, key); });
}

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

}  // namespace

std::string sha256_raw(std::string_view bytes) {
    std::string out(32, '\0');
    unsigned n = 0;
    if (EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(out.data()), &n, EVP_sha256(),
                   nullptr) != 1)
        throw problem_error(failed("SHA-256 is not available"));
    return out;
}

std::string sha256_hex(std::string_view bytes) {
    std::string out;
    for (unsigned char c : sha256_raw(bytes)) {
        out += "0123456789abcdef"[c >> 4];
        out += "0123456789abcdef"[c & 15];
    }
    return out;
}

result<ed25519_pair> make_ed25519_pair() {
    key_ptr key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
    if (!key) return failed("no key could be made");
    SIGRUN_TRY(secret, written([&](BIO* out) {
                   return PEM_write_bio_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
               }));
    SIGRUN_TRY(open, public_pem(key.get()));
    return ed25519_pair{secret, open};
}

result<std::string> ed25519_public_of(std::string_view private_pem) {
    SIGRUN_TRY(key, private_key(private_pem));
    return public_pem(key.get());
}

result<std::string> ed25519_key_id(std::string_view pem) {
    SIGRUN_TRY(key, public_key(pem));
    std::string raw(32, '\0');
    std::size_t n = raw.size();
    if (EVP_PKEY_get_raw_public_key(key.get(), reinterpret_cast<unsigned char*>(raw.data()), &n) != 1)
        return failed("the key cannot be read");
    return sha256_hex(raw).substr(0, 16);
}

result<std::string> ed25519_sign(std::string_view private_pem, std::string_view message) {
    SIGRUN_TRY(key, private_key(private_pem));
    context_ptr context(EVP_MD_CTX_new());
    std::string out(64, '\0');
    std::size_t n = out.size();
    if (!context || EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) != 1 ||
        EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &n, bytes_of(message),
                       message.size()) != 1)
        return failed("it cannot be signed");
    out.resize(n);
    return out;
}

result<bool> ed25519_verify(std::string_view pem, std::string_view message, std::string_view signature) {
    SIGRUN_TRY(key, public_key(pem));
    context_ptr context(EVP_MD_CTX_new());
    if (!context || EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) != 1)
        return failed("it cannot be verified");
    const bool right =
        EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(message), message.size()) == 1;
    ERR_clear_error();
    return right;
}

}  // namespace sigrun

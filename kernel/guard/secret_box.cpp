#include "kernel/guard/secret_box.hpp"

#include "kernel/base/base64.hpp"
#include "kernel/guard/ed25519.hpp"
#include "kernel/guard/private_file.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sys/stat.h>

#include <array>
#include <memory>

namespace sigrun {
namespace {

constexpr std::size_t k_key = 32, k_nonce = 12, k_tag = 16;
constexpr std::string_view k_version = "1:";

unsigned char* raw(std::string& s) noexcept { return reinterpret_cast<unsigned char*>(s.data()); }
const unsigned char* raw(std::string_view s) noexcept { return reinterpret_cast<const unsigned char*>(s.data()); }

struct cipher_freer {
    void operator()(EVP_CIPHER_CTX* p) const noexcept { EVP_CIPHER_CTX_free(p); }
};
using cipher_ptr = std::unique_ptr<EVP_CIPHER_CTX, cipher_freer>;

result<std::string> random_bytes(std::size_t n) {
    std::string out(n, '\0');
    if (RAND_bytes(raw(out), static_cast<int>(n)) != 1) return make_problem(errc::internal, "no random numbers");
    return out;
}

}  // namespace

secret_box::~secret_box() { OPENSSL_cleanse(key_.data(), key_.size()); }

result<std::string> secret_box::key(bool may_make) {
    std::lock_guard lock(mutex_);
    if (!key_.empty()) return key_;
    auto found = read_file(key_file_, 4096);
    if (!found && found.error().code == errc::not_found && may_make) {
        SIGRUN_TRY(made, random_bytes(k_key));
        SIGRUN_CHECK_OK(write_whole_file(key_file_, made, 0600));
        found = made;
    }
    if (!found) return found.error();
    struct stat about {};
    if (::stat(key_file_.c_str(), &about) != 0 || (about.st_mode & 077) != 0)
        return problem{errc::forbidden, "a key that others can read is none", key_file_, "mode 0600", "a wider one"};
    if (found->size() != k_key)
        return problem{errc::invalid, "this is no key", key_file_, "32 bytes", std::to_string(found->size())};
    return key_ = *found;
}

result<std::string> secret_box::seal(std::string_view clear) {
    SIGRUN_TRY(secret, key(true));
    SIGRUN_TRY(nonce, random_bytes(k_nonce));
    std::string out = nonce + std::string(clear.size() + k_tag, '\0');
    const cipher_ptr with(EVP_CIPHER_CTX_new());
    int n = 0, rest = 0;
    const bool done =
        with &&
        EVP_EncryptInit_ex(with.get(), EVP_aes_256_gcm(), nullptr, raw(std::string_view(secret)),
                           raw(std::string_view(nonce))) == 1 &&
        EVP_EncryptUpdate(with.get(), raw(out) + k_nonce, &n, raw(clear), static_cast<int>(clear.size())) == 1 &&
        EVP_EncryptFinal_ex(with.get(), raw(out) + k_nonce + n, &rest) == 1 &&
        EVP_CIPHER_CTX_ctrl(with.get(), EVP_CTRL_GCM_GET_TAG, k_tag, raw(out) + k_nonce + clear.size()) == 1;
    if (!done) return make_problem(errc::internal, "secrets cannot be sealed");
    return std::string(k_version) + to_base64(out);
}

result<std::string> secret_box::open(std::string_view sealed) {
    auto bytes = sealed.starts_with(k_version) ? from_base64(sealed.substr(k_version.size())) : std::nullopt;
    if (!bytes || bytes->size() < k_nonce + k_tag) return make_problem(errc::invalid, "these are no sealed secrets");
    SIGRUN_TRY(secret, key(false));
    const auto size = bytes->size() - k_nonce - k_tag;
    std::string out(size, '\0');
    const cipher_ptr with(EVP_CIPHER_CTX_new());
    int n = 0, rest = 0;
    const bool done = with &&
                      EVP_DecryptInit_ex(with.get(), EVP_aes_256_gcm(), nullptr, raw(std::string_view(secret)),
                                         raw(std::string_view(*bytes))) == 1 &&
                      EVP_DecryptUpdate(with.get(), raw(out), &n, raw(std::string_view(*bytes)) + k_nonce,
                                        static_cast<int>(size)) == 1 &&
                      EVP_CIPHER_CTX_ctrl(with.get(), EVP_CTRL_GCM_SET_TAG, k_tag, raw(*bytes) + k_nonce + size) == 1 &&
                      EVP_DecryptFinal_ex(with.get(), raw(out) + n, &rest) == 1;
    if (!done)
        return problem{errc::forbidden, "the secrets cannot be opened", key_file_, "the key that sealed them",
                       "another one"};
    return out;
}

result<std::string> secret_box::mark_of(std::string_view clear) {
    SIGRUN_TRY(secret, key(true));
    // The key has a fixed length and the hash is that of a hash: nothing can be appended to it.
    return sha256_hex(secret + sha256_raw(secret + std::string(clear)));
}

}  // namespace sigrun

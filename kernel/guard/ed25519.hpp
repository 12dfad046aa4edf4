// Hashes, keys and signatures: the only place that knows OpenSSL. Keys are PEM texts.
#pragma once

#include "kernel/base/result.hpp"

#include <string>
#include <string_view>

namespace sigrun {

/// 32 bytes, and the same as 64 hex digits.
std::string sha256_raw(std::string_view bytes);
std::string sha256_hex(std::string_view bytes);

struct ed25519_pair {
    std::string private_pem, public_pem;
};
result<ed25519_pair> make_ed25519_pair();
/// The public half of a private key.
result<std::string> ed25519_public_of(std::string_view private_pem);
/// First 16 hex digits of the SHA-256 of the public key's 32 bytes: short enough to read out, long enough to find the key.
result<std::string> ed25519_key_id(std::string_view public_pem);
/// 64 bytes.
result<std::string> ed25519_sign(std::string_view private_pem, std::string_view message);
/// Whether the signature is right; a problem if the key is no ed25519 key.
result<bool> ed25519_verify(std::string_view public_pem, std::string_view message, std::string_view signature);

}  // namespace sigrun

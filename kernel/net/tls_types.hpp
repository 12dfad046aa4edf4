// Owners of OpenSSL's objects, and its errors in words.
#pragma once

#include "kernel/base/result.hpp"

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

namespace sigrun {

struct tls_deleter {
    void operator()(SSL* p) const noexcept { SSL_free(p); }
    void operator()(SSL_CTX* p) const noexcept { SSL_CTX_free(p); }
    void operator()(X509* p) const noexcept { X509_free(p); }
};
using ssl_ptr = std::unique_ptr<SSL, tls_deleter>;
using x509_ptr = std::unique_ptr<X509, tls_deleter>;
/// Shared by the connections made from it: a replaced one goes with the last of them.
using ssl_context = std::shared_ptr<SSL_CTX>;

/// The oldest error in this thread's queue, which is emptied; `otherwise` if there is none.
std::string tls_error_text(const std::string& otherwise);

}  // namespace sigrun

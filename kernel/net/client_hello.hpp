// Whether a connection begins with TLS: a record of type handshake that begins with a ClientHello (RFC 8446, 5.1 and 4). Pure;
// bytes from outside. What is in it is OpenSSL's affair.
#pragma once

#include <string_view>

namespace sigrun {

enum class tls_verdict { no, need_more, yes };

/// Never asks for more than six bytes.
tls_verdict recognise_client_hello(std::string_view first) noexcept;

}  // namespace sigrun

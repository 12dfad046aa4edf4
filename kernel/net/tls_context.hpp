// Files and policy -> the contexts that connections are made from.
#pragma once

#include "kernel/net/tls_types.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

/// What a client shows and believes. All files PEM.
struct tls_client_options {
    std::string ca;           // file of authorities; empty = those of the system
    std::string certificate;  // chain, own one first; empty = none is shown
    std::string key;
    std::string server_name;  // whom to expect; empty = the host of the address
    bool allow_1_2 = false;

    /// The member "tls" of an endpoint's options over these; a problem names the key.
    result<tls_client_options> overridden_by(std::string_view endpoint_options) const;
};

struct tls_server_options {
    std::string certificate, key;
    std::string client_ca;  // who may have signed the certificates of clients
    enum client_auth_t { none, optional, required } client_auth = none;
    bool allow_1_2 = false;

    bool enabled() const noexcept { return !certificate.empty(); }
};

/// Contexts hold what the files said when they were made.
result<ssl_context> make_client_context(const tls_client_options& options);
/// Chooses the first protocol of `alpn` (best first) that the client offers; a client whose offers are all unknown is
/// refused, one that offers none is not.
result<ssl_context> make_server_context(const tls_server_options& options, const std::vector<std::string>& alpn);

/// "a,b" -> the length-prefixed list of RFC 7301; a problem for an empty or too long name.
result<std::string> alpn_wire(std::string_view list);

/// A connection of `context` that believes only `host` (a name or an address) and agrees on one of `alpn` or fails.
result<ssl_ptr> make_client_session(const ssl_context& context, const std::string& host, std::string_view alpn);

/// The name in the client's verified certificate: the first DNS or URI name of it, else its common name; "" without one.
std::string certificate_name(const SSL& session);

}  // namespace sigrun

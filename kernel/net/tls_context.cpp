#include "kernel/net/tls_context.hpp"

#include "kernel/base/json.hpp"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace sigrun {
namespace {

constexpr const char* k_ciphers_1_2 = "ECDHE+AESGCM:ECDHE+CHACHA20";  // 1.3 has none that are weak

ssl_context new_context(const SSL_METHOD* method, bool allow_1_2) {
    ssl_context made(SSL_CTX_new(method), tls_deleter{});
    if (!made) throw std::bad_alloc();
    SSL_CTX_set_min_proto_version(made.get(), allow_1_2 ? TLS1_2_VERSION : TLS1_3_VERSION);
    SSL_CTX_set_cipher_list(made.get(), k_ciphers_1_2);
    SSL_CTX_set_options(made.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(made.get(),
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    // No resumption: who was shut out, or whose certificate has ended, must not come back on an old handshake.
    SSL_CTX_set_session_cache_mode(made.get(), SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(made.get(), 0);
    return made;
}

problem file_problem(const char* field, const std::string& path, const char* expected) {
    return problem{errc::invalid, "cannot be used", field, expected, path + ": " + tls_error_text("no reason given")};
}

/// A pass phrase cannot be asked for: a locked key is a problem, not a prompt on the terminal.
int no_pass_phrase(char*, int, int, void*) { return 0; }

result<void> use_pair(SSL_CTX* context, const std::string& certificate, const std::string& key) {
    if (certificate.empty() && key.empty()) return {};
    if (certificate.empty()) return bad_value("tls.certificate", "a PEM file, as tls.key is set", "nothing");
    if (key.empty()) return bad_value("tls.key", "a PEM file, as tls.certificate is set", "nothing");
    struct stat about {};
    if (::stat(key.c_str(), &about) == 0 && (about.st_mode & 007))
        return problem{errc::forbidden, "every user can read it", "tls.key", "a file without rights for others",
                       key + "; chmod o= " + key};
    ERR_clear_error();
    SSL_CTX_set_default_passwd_cb(context, &no_pass_phrase);
    if (SSL_CTX_use_certificate_chain_file(context, certificate.c_str()) != 1)
        return file_problem("tls.certificate", certificate, "a PEM file with a certificate and its chain");
    if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1)
        return file_problem("tls.key", key, "a PEM file with the key of the certificate, without a pass phrase");
    if (SSL_CTX_check_private_key(context) != 1)
        return file_problem("tls.key", key, "the key that belongs to tls.certificate");
    return {};
}

result<void> believe(SSL_CTX* context, const char* field, const std::string& ca) {
    ERR_clear_error();
    if (SSL_CTX_load_verify_locations(context, ca.c_str(), nullptr) == 1) return {};
    return file_problem(field, ca, "a PEM file with certificates");
}

/// Which protocols a server has, in the form of RFC 7301; lives as long as the context.
struct server_protocols {
    std::string wire;
    static int index() {
        static const int made = SSL_CTX_get_ex_new_index(
            0, nullptr, nullptr, nullptr,
            [](void*, void* p, CRYPTO_EX_DATA*, int, long, void*) { delete static_cast<server_protocols*>(p); });
        return made;
    }
};

int choose_protocol(SSL* session, const unsigned char** out, unsigned char* size, const unsigned char* offered,
                    unsigned int offered_size, void*) {
    const auto* mine =
        static_cast<const server_protocols*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(session), server_protocols::index()));
    unsigned char* chosen = nullptr;
    if (!mine || SSL_select_next_proto(&chosen, size, reinterpret_cast<const unsigned char*>(mine->wire.data()),
                                       static_cast<unsigned int>(mine->wire.size()), offered,
                                       offered_size) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

std::string_view text_of(const ASN1_STRING* s) {
    return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(s)), static_cast<std::size_t>(ASN1_STRING_length(s))};
}

bool is_numeric(const std::string& host) {
    std::array<unsigned char, sizeof(in6_addr)> room;
    return inet_pton(AF_INET, host.c_str(), room.data()) == 1 || inet_pton(AF_INET6, host.c_str(), room.data()) == 1;
}

}  // namespace

std::string tls_error_text(const std::string& otherwise) {
    const auto first = ERR_get_error();
    ERR_clear_error();
    if (!first) return otherwise;
    if (const char* reason = ERR_reason_error_string(first)) return reason;
    if (ERR_SYSTEM_ERROR(first)) return std::strerror(ERR_GET_REASON(first));
    return otherwise;
}

result<tls_client_options> tls_client_options::overridden_by(std::string_view endpoint_options) const {
    auto out = *this;
    if (endpoint_options.empty()) return out;
    SIGRUN_TRY(all, parse_object(endpoint_options));
    const auto* own = all.if_contains("tls");
    if (!own) return out;
    if (!own->is_object()) return bad_value("options.tls", "an object", "something else");
    for (const auto& [name, value] : own->as_object()) {
        auto* target = name == "ca"            ? &out.ca
                       : name == "certificate" ? &out.certificate
                       : name == "key"         ? &out.key
                       : name == "server_name" ? &out.server_name
                                               : nullptr;
        const auto field = "options.tls." + std::string(name);
        if (!target)
            return problem{errc::unknown_field, "unknown option", field, "one of ca, certificate, key, server_name",
                           "\"" + std::string(name) + "\""};
        if (!value.is_string()) return bad_value(field, "a text", "something else");
        *target = value.get_string();
    }
    return out;
}

result<ssl_context> make_client_context(const tls_client_options& options) {
    auto made = new_context(TLS_client_method(), options.allow_1_2);
    SSL_CTX_set_verify(made.get(), SSL_VERIFY_PEER, nullptr);
    if (options.ca.empty())
        SSL_CTX_set_default_verify_paths(made.get());
    else
        SIGRUN_CHECK_OK(believe(made.get(), "tls.ca", options.ca));
    SIGRUN_CHECK_OK(use_pair(made.get(), options.certificate, options.key));
    return made;
}

result<ssl_context> make_server_context(const tls_server_options& options, const std::vector<std::string>& alpn) {
    if (options.certificate.empty()) return bad_value("tls.certificate", "a PEM file", "nothing");
    auto made = new_context(TLS_server_method(), options.allow_1_2);
    SSL_CTX_set_options(made.get(), SSL_OP_CIPHER_SERVER_PREFERENCE);
    SIGRUN_CHECK_OK(use_pair(made.get(), options.certificate, options.key));
    if (options.client_auth != tls_server_options::none) {
        if (options.client_ca.empty())
            return bad_value("tls.client_ca", "a PEM file, as tls.client_auth is not none", "nothing");
        SIGRUN_CHECK_OK(believe(made.get(), "tls.client_ca", options.client_ca));
        auto* names = SSL_load_client_CA_file(options.client_ca.c_str());
        if (names) SSL_CTX_set_client_CA_list(made.get(), names);
        SSL_CTX_set_verify(
            made.get(),
            SSL_VERIFY_PEER |
                (options.client_auth == tls_server_options::required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
            nullptr);
    }
    std::string list;
    for (const auto& each : alpn) list += (list.empty() ? "" : ",") + each;
    if (list.empty()) return made;
    SIGRUN_TRY(wire, alpn_wire(list));
    SSL_CTX_set_ex_data(made.get(), server_protocols::index(), new server_protocols{wire});
    SSL_CTX_set_alpn_select_cb(made.get(), &choose_protocol, nullptr);
    return made;
}

result<std::string> alpn_wire(std::string_view list) {
    std::string out;
    while (!list.empty()) {
        const auto comma = list.find(',');
        auto one = list.substr(0, comma);
        while (!one.empty() && one.front() == ' ') one.remove_prefix(1);
        while (!one.empty() && one.back() == ' ') one.remove_suffix(1);
        if (one.empty() || one.size() > 255 || out.size() > 4096)
            return bad_value("alpn", "names of 1 to 255 bytes, separated by commas",
                             "\"" + std::string(one.substr(0, 80)) + "\"");
        out += static_cast<char>(one.size());
        out += one;
        list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
    }
    return out;
}

result<ssl_ptr> make_client_session(const ssl_context& context, const std::string& host, std::string_view alpn) {
    SIGRUN_TRY(wire, alpn_wire(alpn));
    ssl_ptr made(SSL_new(context.get()));
    if (!made) throw std::bad_alloc();
    SSL_set_connect_state(made.get());
    SSL_set_hostflags(made.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    bool good = true;
    if (is_numeric(host)) {
        good = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(made.get()), host.c_str()) == 1;
    } else {
        good = SSL_set1_host(made.get(), host.c_str()) == 1 && SSL_set_tlsext_host_name(made.get(), host.c_str()) == 1;
    }
    if (good && !wire.empty())
        good = SSL_set_alpn_protos(made.get(), reinterpret_cast<const unsigned char*>(wire.data()),
                                   static_cast<unsigned int>(wire.size())) == 0;
    if (!good) return make_problem(errc::invalid, "TLS: " + tls_error_text("the name '" + host + "' cannot be used"));
    return made;
}

std::string certificate_name(const SSL& session) {
    const x509_ptr shown(SSL_get1_peer_certificate(&session));
    if (!shown || SSL_get_verify_result(&session) != X509_V_OK) return {};
    const std::unique_ptr<GENERAL_NAMES, void (*)(GENERAL_NAMES*)> names(
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(shown.get(), NID_subject_alt_name, nullptr, nullptr)),
        &GENERAL_NAMES_free);
    for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
        const auto* each = sk_GENERAL_NAME_value(names.get(), i);
        if (each->type == GEN_DNS) return std::string(text_of(each->d.dNSName));
        if (each->type == GEN_URI) return std::string(text_of(each->d.uniformResourceIdentifier));
    }
    const auto* subject = X509_get_subject_name(shown.get());
    const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0) return {};
    return std::string(text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at))));
}

}  // namespace sigrun

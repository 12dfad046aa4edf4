#include "kernel/guard/plugin_signature.hpp"

#include "kernel/base/base64.hpp"
#include "kernel/guard/ed25519.hpp"

namespace sigrun {
namespace {

constexpr std::string_view k_first_line = "sigrun-signature 1";

std::string message_for(std::string_view file_bytes) {
    return std::string(k_signature_context) + '\0' + sha256_raw(file_bytes);
}

}  // namespace

std::string plugin_signature::text() const {
    return std::string(k_first_line) + "\nkey: " + key_id + "\nsignature: " + to_base64(bytes) + "\n";
}

result<plugin_signature> parse_plugin_signature(std::string_view text) {
    plugin_signature out;
    bool first = true;
    while (!text.empty()) {
        const auto end = text.find('\n');
        auto line = text.substr(0, end);
        text = end == text.npos ? std::string_view() : text.substr(end + 1);
        if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
        if (first) {
            if (line != k_first_line)
                return bad_value("signature file", "\"" + std::string(k_first_line) + "\" in its first line",
                                 "\"" + std::string(line.substr(0, 40)) + "\"");
            first = false;
        } else if (line.starts_with("key: ")) {
            out.key_id = line.substr(5, 64);
        } else if (line.starts_with("signature: ")) {
            if (auto bytes = from_base64(line.substr(11))) out.bytes = std::move(*bytes);
        } else if (!line.empty()) {
            return bad_value("signature file", "lines \"key: ...\" and \"signature: ...\"",
                             "\"" + std::string(line.substr(0, 40)) + "\"");
        }
    }
    if (out.bytes.size() != 64)
        return bad_value("signature", "64 bytes in base64", std::to_string(out.bytes.size()) + " bytes");
    return out;
}

result<plugin_signature> sign_plugin(std::string_view file_bytes, std::string_view private_pem) {
    SIGRUN_TRY(open, ed25519_public_of(private_pem));
    SIGRUN_TRY(id, ed25519_key_id(open));
    SIGRUN_TRY(bytes, ed25519_sign(private_pem, message_for(file_bytes)));
    return plugin_signature{id, bytes};
}

result<bool> verify_plugin(std::string_view file_bytes, const plugin_signature& signature,
                           std::string_view public_pem) {
    return ed25519_verify(public_pem, message_for(file_bytes), signature.bytes);
}

}  // namespace sigrun

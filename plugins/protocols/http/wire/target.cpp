#include "wire/target.hpp"

#include "wire/text.hpp"

#include <sigrun/cpp/text.hpp>

namespace sigrun::http {
namespace {

constexpr std::size_t k_max_parts = 64;

int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool decode(std::string_view in, bool plus_is_space, std::string& out, mismatch& why) {
    out.clear();
    for (std::size_t i = 0; i < in.size(); ++i) {
        if (in[i] == '%') {
            const int high = i + 2 < in.size() ? hex_value(in[i + 1]) : -1;
            const int low = i + 2 < in.size() ? hex_value(in[i + 2]) : -1;
            if (high < 0 || low < 0) {
                why = {"target", "two hexadecimal digits after %", shown(in.substr(i, 3))};
                return false;
            }
            out += static_cast<char>(high * 16 + low);
            i += 2;
        } else {
            out += plus_is_space && in[i] == '+' ? ' ' : in[i];
        }
    }
    if (!is_utf8(out)) {
        why = {"target", "UTF-8 after decoding", "other bytes"};
        return false;
    }
    for (char c : out)
        if (static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n') {
            why = {"target", "no control characters", "byte " + std::to_string(static_cast<unsigned char>(c))};
            return false;
        }
    return true;
}

bool parse_query(std::string_view text, target& out, mismatch& why) {
    while (!text.empty()) {
        const auto end = text.find('&');
        const auto pair = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        if (pair.empty()) continue;
        const auto equals = pair.find('=');
        std::string key;
        std::string value;
        if (!decode(pair.substr(0, equals), true, key, why)) return false;
        if (equals != std::string_view::npos && !decode(pair.substr(equals + 1), true, value, why)) return false;
        if (out.find(key)) {
            why = {shown(key), "each query key once", "it again"};
            return false;
        }
        if (out.query.size() == k_max_parts) {
            why = {"target", "at most 64 query keys", "more"};
            return false;
        }
        out.query.emplace_back(std::move(key), std::move(value));
    }
    return true;
}

}  // namespace

const std::string* target::find(std::string_view key) const noexcept {
    for (const auto& [k, v] : query)
        if (k == key) return &v;
    return nullptr;
}

std::optional<target> parse_target(std::string_view text, mismatch& why) {
    if (text.substr(0, 7) == "http://") {
        const auto slash = text.find('/', 7);
        text = slash == std::string_view::npos ? std::string_view("/") : text.substr(slash);
    }
    if (text.empty() || text[0] != '/') {
        why = {"target", "a path that begins with /", text.empty() ? "nothing" : shown(text)};
        return std::nullopt;
    }
    target out;
    const auto question = text.find('?');
    auto path = text.substr(1, question == std::string_view::npos ? question : question - 1);
    while (!path.empty()) {
        const auto slash = path.find('/');
        if (out.segments.size() == k_max_parts) {
            why = {"target", "at most 64 path segments", "more"};
            return std::nullopt;
        }
        std::string segment;
        if (!decode(path.substr(0, slash), false, segment, why)) return std::nullopt;
        out.segments.push_back(std::move(segment));
        if (slash == std::string_view::npos) break;
        path.remove_prefix(slash + 1);
        if (path.empty()) out.segments.emplace_back();  // a trailing slash names another resource
    }
    if (question != std::string_view::npos && !parse_query(text.substr(question + 1), out, why)) return std::nullopt;
    return out;
}

std::string percent_encode(std::string_view text) {
    constexpr std::string_view k_hex = "0123456789ABCDEF";
    std::string out;
    for (char c : text) {
        const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
                           c == '_' || c == '.' || c == '~';
        if (plain) {
            out += c;
        } else {
            out += '%';
            out += k_hex[static_cast<unsigned char>(c) >> 4];
            out += k_hex[static_cast<unsigned char>(c) & 15u];
        }
    }
    return out;
}

}  // namespace sigrun::http

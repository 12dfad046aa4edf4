#include "json_field.hpp"

#include <cstdlib>

namespace line {
namespace {

class scanner {
public:
    explicit scanner(std::string_view text) : rest_(text) {}

    char next() {
        while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\n' || rest_[0] == '\t' || rest_[0] == '\r'))
            rest_.remove_prefix(1);
        return rest_.empty() ? '\0' : rest_[0];
    }
    bool take(char c) {
        if (next() != c) return false;
        rest_.remove_prefix(1);
        return true;
    }
    /// A text at the front, decoded.
    std::optional<std::string> text() {
        if (!take('"')) return std::nullopt;
        std::string out;
        while (!rest_.empty()) {
            const char c = rest_[0];
            rest_.remove_prefix(1);
            if (c == '"') return out;
            if (c != '\\') {
                out += c;
                continue;
            }
            if (rest_.empty()) break;
            const char e = rest_[0];
            rest_.remove_prefix(1);
            if (e == 'u') {
                if (rest_.size() < 4) break;
                append_utf8(out, std::strtoul(std::string(rest_.substr(0, 4)).c_str(), nullptr, 16));
                rest_.remove_prefix(4);
            } else {
                out += e == 'n' ? '\n' : e == 't' ? '\t' : e == 'r' ? '\r' : e == 'b' ? '\b' : e == 'f' ? '\f' : e;
            }
        }
        return std::nullopt;
    }
    /// Any value at the front, as it is written; its end is found by counting brackets outside of texts.
    std::optional<std::string> value() {
        next();
        const auto whole = rest_;
        int depth = 0;
        while (next() != '\0') {
            const char c = rest_[0];
            if (c == '"') {
                if (!text()) return std::nullopt;
            } else if (depth == 0 && (c == ',' || c == '}' || c == ']')) {
                break;
            } else {
                depth += (c == '{' || c == '[') - (c == '}' || c == ']');
                rest_.remove_prefix(1);
            }
        }
        return std::string(whole.substr(0, whole.size() - rest_.size()));
    }

private:
    // Halves of a surrogate pair become two replacement characters; the host escapes control characters only.
    static void append_utf8(std::string& out, unsigned long code) {
        if (code >= 0xD800 && code < 0xE000) code = 0xFFFD;
        if (code < 0x80) {
            out += static_cast<char>(code);
        } else if (code < 0x800) {
            out += static_cast<char>(0xC0 | (code >> 6));
            out += static_cast<char>(0x80 | (code & 0x3F));
        } else {
            out += static_cast<char>(0xE0 | (code >> 12));
            out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
            out += static_cast<char>(0x80 | (code & 0x3F));
        }
    }
    std::string_view rest_;
};

}  // namespace

std::optional<std::string> json_field(std::string_view json, std::string_view name) {
    scanner in(json);
    if (!in.take('{')) return std::nullopt;
    while (in.next() == '"') {
        const auto key = in.text();
        if (!key || !in.take(':')) return std::nullopt;
        const bool text = in.next() == '"';
        const auto value = text ? in.text() : in.value();
        if (!value || *key == name) return value;
        if (!in.take(',')) break;
    }
    return std::nullopt;
}

}  // namespace line

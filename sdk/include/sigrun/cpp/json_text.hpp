// sigrun/cpp/json_text.hpp: building JSON text directly, for documents with a few members on hot paths. Pure.
#pragma once

#include <sigrun/cpp/text.hpp>

#include <string>
#include <string_view>

namespace sigrun::sdk {

/// Appends `text` as a JSON string with quotes. The text must be valid UTF-8.
inline void append_json_string(std::string& out, std::string_view text) {
    constexpr std::string_view k_hex = "0123456789abcdef";
    out += '"';
    for (char c : text) {
        switch (c) {
            case '"': out += "\\\""; break;
            case '\\': out += "\\\\"; break;
            case '\n': out += "\\n"; break;
            case '\r': out += "\\r"; break;
            case '\t': out += "\\t"; break;
            default:
                if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
                    out += "\\u00";
                    out += k_hex[static_cast<unsigned char>(c) >> 4];
                    out += k_hex[static_cast<unsigned char>(c) & 15u];
                } else {
                    out += c;
                }
        }
    }
    out += '"';
}
inline std::string json_string(std::string_view text) {
    std::string out;
    out.reserve(text.size() + 2);
    append_json_string(out, text);
    return out;
}
/// JSON text in one line: outside strings a line break is only white space, and inside it cannot occur.
inline std::string one_line(std::string_view json) {
    std::string out(json);
    for (char& c : out)
        if (c == '\n' || c == '\r') c = ' ';
    return out;
}

/// Writes an object member by member: json_members m; m.text("a", "b"); m.number("n", 1); m.finish().
class json_members {
public:
    void text(std::string_view key, std::string_view value) {
        begin(key);
        append_json_string(out_, value);
    }
    /// A number or boolean.
    template <class T>
    void number(std::string_view key, T value) {
        begin(key);
        detail::append(out_, value);
    }
    /// A value that is JSON text already.
    void raw(std::string_view key, std::string_view json) {
        begin(key);
        out_ += json;
    }
    bool empty() const noexcept { return out_.size() == 1; }
    std::string finish() {
        out_ += '}';
        return std::move(out_);
    }

private:
    void begin(std::string_view key) {
        if (out_.size() > 1) out_ += ',';
        append_json_string(out_, key);
        out_ += ':';
    }
    std::string out_ = "{";
};

}  // namespace sigrun::sdk

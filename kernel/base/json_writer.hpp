// Appends JSON to a string: for documents that are written often and read by others. No tree, no second copy.
#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

namespace sigrun {

/// The text as a JSON string with quotes. Invalid UTF-8 becomes U+FFFD, byte by byte.
void append_json_string(std::string& out, std::string_view text);

class json_writer {
public:
    explicit json_writer(std::string& out) : out_(out) {}
    json_writer& open_object() { return open('{'); }
    json_writer& open_array() { return open('['); }
    json_writer& close_object() { return close('}'); }
    json_writer& close_array() { return close(']'); }
    json_writer& key(std::string_view name) {
        comma();
        out_ += '"';
        out_ += name;
        out_ += "\":";
        first_ = true;
        return *this;
    }
    json_writer& value(std::string_view text) {
        comma();
        append_json_string(out_, text);
        return *this;
    }
    json_writer& value(const char* text) { return value(std::string_view(text)); }
    template <class T>
    requires std::is_arithmetic_v<T> json_writer& value(T number) {
        comma();
        if constexpr (std::is_same_v<T, bool>) {
            out_ += number ? "true" : "false";
        } else {
            char digits[40];
            out_.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
        }
        return *this;
    }
    json_writer& null() { return raw("null"); }
    /// A value that is JSON already.
    json_writer& raw(std::string_view json) {
        comma();
        out_ += json;
        return *this;
    }
    template <class T>
    json_writer& member(std::string_view name, const T& v) {
        return key(name).value(v);
    }

private:
    void comma() {
        if (!first_) out_ += ',';
        first_ = false;
    }
    json_writer& open(char c) {
        comma();
        out_ += c;
        first_ = true;
        return *this;
    }
    json_writer& close(char c) {
        out_ += c;
        first_ = false;
        return *this;
    }
    std::string& out_;
    bool first_ = true;
};

}  // namespace sigrun

// sigrun/cpp/text.hpp: conversions between ABI texts and C++ ones, and a small text builder. Header-only.
#pragma once

#include <sigrun/base.h>

#include <charconv>
#include <string>
#include <string_view>
#include <type_traits>

namespace sigrun::sdk {

inline std::string_view view(sigrun_str s) noexcept { return {s.ptr, static_cast<std::size_t>(s.len)}; }
inline std::string_view view(sigrun_bytes b) noexcept {
    return {static_cast<const char*>(b.ptr), static_cast<std::size_t>(b.len)};
}
inline constexpr sigrun_str str(std::string_view s) noexcept { return {s.data(), s.size()}; }
inline sigrun_bytes bytes(std::string_view s) noexcept { return {s.data(), s.size()}; }

namespace detail {
template <class T>
void append(std::string& out, const T& value) {
    if constexpr (std::is_same_v<T, bool>) {
        out += value ? "true" : "false";
    } else if constexpr (std::is_same_v<T, char>) {
        out += value;
    } else if constexpr (std::is_arithmetic_v<T>) {
        char digits[40];
        auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
        out.append(digits, end);
    } else {
        out += std::string_view(value);
    }
}
}  // namespace detail

/// Joins texts and numbers: concat("port ", 7070, " is in use").
template <class... Parts>
std::string concat(const Parts&... parts) {
    std::string out;
    (detail::append(out, parts), ...);
    return out;
}

}  // namespace sigrun::sdk

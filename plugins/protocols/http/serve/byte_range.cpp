#include "serve/byte_range.hpp"

#include <sigrun/cpp/text.hpp>

#include <charconv>

namespace sigrun::http {
namespace {

std::optional<std::uint64_t> number(std::string_view text) noexcept {
    std::uint64_t n = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (text.empty() || error != std::errc() || end != text.data() + text.size() || n > ~0ull >> 2) return std::nullopt;
    return n;
}

}  // namespace

std::optional<byte_range> parse_range(std::string_view header) noexcept {
    constexpr std::string_view k_unit = "bytes=";
    if (!header.starts_with(k_unit)) return std::nullopt;
    header.remove_prefix(k_unit.size());
    const auto dash = header.find('-');
    if (dash == std::string_view::npos) return std::nullopt;
    const auto first = number(header.substr(0, dash));
    if (!first) return std::nullopt;
    if (dash + 1 == header.size()) return byte_range{*first, {}};
    const auto last = number(header.substr(dash + 1));
    if (!last || *last < *first) return std::nullopt;
    return byte_range{*first, *last - *first + 1};
}

std::string content_range(std::uint64_t first, std::uint64_t until, std::uint64_t size) {
    if (first == until) return sdk::concat("Content-Range: bytes */", size, "\r\n");
    return sdk::concat("Content-Range: bytes ", first, "-", until - 1, "/", size, "\r\n");
}

}  // namespace sigrun::http

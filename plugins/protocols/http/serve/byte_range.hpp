// The Range header of requests for bytes. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sigrun::http {

struct byte_range {
    std::uint64_t first = 0;
    std::optional<std::uint64_t> length;  // absent: to the end
};

/// "bytes=FIRST-" or "bytes=FIRST-LAST". Anything else is not served as a range, which RFC 9110 allows: the answer is the whole.
std::optional<byte_range> parse_range(std::string_view header) noexcept;

/// The header line of an answer with these bytes of `size`.
std::string content_range(std::uint64_t first, std::uint64_t until, std::uint64_t size);

}  // namespace sigrun::http

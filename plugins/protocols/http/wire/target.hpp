// The target of a request: path segments and query, percent-decoded and checked. Pure.
#pragma once

#include "wire/text.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sigrun::http {

struct target {
    std::vector<std::string> segments;  // "/v1/jobs" -> {"v1", "jobs"}; "/" -> {}
    std::vector<std::pair<std::string, std::string>> query;

    const std::string* find(std::string_view key) const noexcept;
};

/// Parses origin form ("/path?query") or absolute form ("http://host/path"). On failure `why` says what is
/// wrong: bad escapes, bytes that are not UTF-8, control characters, more than 64 segments or 64 query keys,
/// a repeated key.
std::optional<target> parse_target(std::string_view text, mismatch& why);

/// Escapes everything but unreserved characters, for one path segment or query value.
std::string percent_encode(std::string_view text);

}  // namespace sigrun::http

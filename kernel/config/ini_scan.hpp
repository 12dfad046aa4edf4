// Reads one INI text line by line before Poco sees it: line numbers for messages, comments after values taken
// off, and a problem for everything that Poco's reader would let pass (repeated keys and sections, lines that
// are neither). Pure.
//
//   [kind] or [kind name]     kind: lower case, digits, _ -; name: letters, digits, _ - . : @ / +
//   key = value               key: lower case, digits, _ -
//   ; or # at the start of a line begins a comment; " ;" (a blank before it) ends a value
#pragma once

#include "kernel/base/result.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

constexpr std::size_t k_max_ini_bytes = 1024 * 1024;
constexpr std::size_t k_max_value_bytes = 64 * 1024;

struct scanned_key {
    std::string key;
    std::size_t line;
};
struct scanned_section {
    std::string name;  // blanks inside it reduced to one
    std::size_t line;
    std::vector<scanned_key> keys;
};
struct scanned_ini {
    std::vector<scanned_section> sections;
    std::string clean_text;  // the same settings without comments, for Poco
};

result<scanned_ini> scan_ini(std::string_view text, std::string_view file_name);

/// "  instance   http-main " -> "instance http-main", or a problem whose field is `where`.
result<std::string> section_name(std::string_view written, std::string_view where);
result<std::string> key_name(std::string_view written, std::string_view where);
/// A value from anywhere: no control characters, not longer than k_max_value_bytes.
result<void> check_value(std::string_view value, std::string_view where);
/// For comparing names as Poco does.
std::string lower_case(std::string_view text);
std::string_view trimmed(std::string_view text) noexcept;

}  // namespace sigrun

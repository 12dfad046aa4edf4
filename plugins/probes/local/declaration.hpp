// What a file of declared facts says. Pure parsers of what people wrote; the first mistake refuses the whole file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun::local {

struct declaration {
    std::string key;
    std::string value;  // JSON
};

struct mistake {
    std::size_t line = 0;  // 0: not known
    std::string field, expected, found;

    /// "line 3: memory.total_bytes: expected a whole number, found \"lots\""
    std::string text() const;
};

struct declared_file {
    std::optional<std::int64_t> expires_s;  // seconds since 1970
    std::vector<declaration> facts;
    std::optional<mistake> wrong;  // then the rest is empty
};

constexpr std::size_t k_max_file = 64 * 1024, k_max_facts_of_file = 1024, k_max_text = 1024;

/// [section], key = value, comments after ; or # at the start of a line. In section memory the key total_bytes is
/// memory.total_bytes. "expires = 2027-01-31" before the first section.
declared_file parse_ini(std::string_view text);
/// {"expires": "2027-01-31T12:00:00Z", "facts": {"custom.rack": "r12", "lang": [{"name": "ada"}]}}
declared_file parse_json(std::string_view text);

/// A date, which means its beginning, or a time such as 2027-01-31T12:00:00Z; both UTC.
std::optional<std::int64_t> parse_time(std::string_view text) noexcept;
/// Why there is no fact of this name that may be declared.
std::optional<mistake> check_key(std::string_view key);
/// Short, printable, in quotes: what a complaint shows of what was found.
std::string quoted(std::string_view text);

}  // namespace sigrun::local

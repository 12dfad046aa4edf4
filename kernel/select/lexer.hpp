// Text of a requirement -> tokens. Reads forward only, keeps no memory of what it has read.
#pragma once

#include "kernel/base/result.hpp"
#include "kernel/select/expression.hpp"

#include <string>
#include <string_view>

namespace sigrun::expr {

enum class token_kind : std::uint8_t {
    end,
    name,     // a key or a word: cpu.cores, gpu[0].model, label["x/y"], in, any
    literal,  // number, size, duration, text, version
    both,
    either,
    negate,
    open,
    close,
    list_open,
    list_close,
    comma,
    compare
};

struct token {
    token_kind kind = token_kind::end;
    relation rel = relation::equal;  // compare
    std::uint32_t begin = 0, end = 0;
    literal value;  // literal
};

/// A complaint about the byte at `at`: "WHAT at column N", the text, and a caret under the place.
problem complaint(std::string_view text, std::size_t at, const std::string& what);
/// The column of a byte, counted in characters from 1.
std::uint32_t column_of(std::string_view text, std::size_t at) noexcept;
/// Reads the quoted text that begins at text[at] == '"'; moves `at` behind it.
result<std::string> read_quoted(std::string_view text, std::size_t& at);
/// The inverse: with quotes and escapes.
std::string quoted(std::string_view raw);

class lexer {
public:
    explicit lexer(std::string_view text) noexcept : text_(text) {}
    result<token> next();
    std::string_view text() const noexcept { return text_; }

private:
    result<token> name(token t);
    result<token> number(token t);
    result<token> symbol(token t);
    result<void> unit(token& t, std::string_view digits, std::string_view word);

    std::string_view text_;
    std::size_t at_ = 0;
};

}  // namespace sigrun::expr

#include "kernel/select/lexer.hpp"

#include "kernel/base/quantity.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace sigrun::expr {
namespace {

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
bool is_letter(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_space(char c) noexcept { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_control(char c) noexcept { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

struct size_unit {
    std::string_view name;
    double factor;
};
constexpr size_unit k_sizes[] = {{"k", 1e3},     {"M", 1e6},     {"G", 1e9},     {"T", 1e12},    {"P", 1e15},
                                 {"Ki", 0x1p10}, {"Mi", 0x1p20}, {"Gi", 0x1p30}, {"Ti", 0x1p40}, {"Pi", 0x1p50}};

scalar number_of(std::string_view digits) noexcept {
    scalar s;
    const char* end = digits.data() + digits.size();
    if (auto r = std::from_chars(digits.data(), end, s.integer); r.ec == std::errc() && r.ptr == end) {
        s.kind = scalar_kind::integer;
        return s;
    }
    if (auto r = std::from_chars(digits.data(), end, s.natural); r.ec == std::errc() && r.ptr == end) {
        s.kind = scalar_kind::natural;
        return s;
    }
    double d = 0;
    if (auto r = std::from_chars(digits.data(), end, d); r.ec == std::errc() && r.ptr == end && std::isfinite(d)) {
        s.kind = scalar_kind::real;
        s.real = d;
    }
    return s;
}

}  // namespace

std::uint32_t column_of(std::string_view text, std::size_t at) noexcept {
    std::uint32_t column = 1;
    for (std::size_t i = 0; i < at && i < text.size(); ++i)
        if ((static_cast<unsigned char>(text[i]) & 0xc0u) != 0x80u) ++column;
    return column;
}

problem complaint(std::string_view text, std::size_t at, const std::string& what) {
    const std::uint32_t column = column_of(text, at);
    std::string shown(text);
    for (char& c : shown)
        if (is_control(c)) c = ' ';
    problem p{errc::invalid,
              what + " at column " + std::to_string(column) + "\n" + shown + "\n" + std::string(column - 1, ' ') + "^"};
    p.field = "requires";
    return p;
}

result<std::string> read_quoted(std::string_view text, std::size_t& at) {
    const std::size_t begin = at++;
    std::string out;
    for (; at < text.size(); ++at) {
        char c = text[at];
        if (c == '"') {
            ++at;
            return out;
        }
        if (is_control(c)) return complaint(text, at, "a control character cannot stand in a text");
        if (c == '\\') {
            if (++at == text.size()) break;
            switch (text[at]) {
                case '"':
                case '\\': c = text[at]; break;
                case 'n': c = '\n'; break;
                case 't': c = '\t'; break;
                default: return complaint(text, at - 1, "expected one of \\\" \\\\ \\n \\t");
            }
        }
        out += c;
    }
    return complaint(text, begin, "the text that begins here has no closing quote");
}

std::string quoted(std::string_view raw) {
    std::string out = "\"";
    for (char c : raw) {
        if (c == '"' || c == '\\') out += '\\';
        if (c == '\n')
            out += "\\n";
        else if (c == '\t')
            out += "\\t";
        else
            out += c;
    }
    return out += '"';
}

result<token> lexer::next() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
    token t;
    t.begin = t.end = static_cast<std::uint32_t>(at_);
    if (at_ == text_.size()) return t;
    const char c = text_[at_];
    const char after = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
    if (c == '"' || (c == 'v' && after == '"')) {
        if (c == 'v') ++at_;
        SIGRUN_TRY(raw, read_quoted(text_, at_));
        t.kind = token_kind::literal;
        t.value.value.kind = c == 'v' ? scalar_kind::version : scalar_kind::text;
        t.value.text = std::move(raw);
        if (c == 'v') {
            const std::string& v = t.value.text;
            const bool dotted = !v.empty() && v.size() <= 64 && is_digit(v.front()) && is_digit(v.back()) &&
                                std::all_of(v.begin(), v.end(), [](char x) { return is_digit(x) || x == '.'; }) &&
                                v.find("..") == std::string::npos;
            if (!dotted) return complaint(text_, t.begin, "expected numbers joined by dots such as v\"24.1\"");
        }
        t.end = static_cast<std::uint32_t>(at_);
        return t;
    }
    if (is_letter(c)) return name(std::move(t));
    if (is_digit(c) || (c == '-' && is_digit(after))) return number(std::move(t));
    return symbol(std::move(t));
}

result<token> lexer::name(token t) {
    t.kind = token_kind::name;
    auto word = [&] {
        while (at_ < text_.size() && (is_letter(text_[at_]) || is_digit(text_[at_]) ||
                                      (text_[at_] == '-' && at_ + 1 < text_.size() &&
                                       (is_letter(text_[at_ + 1]) || is_digit(text_[at_ + 1])))))
            ++at_;
    };
    word();
    while (at_ < text_.size()) {
        if (text_[at_] == '.') {
            if (++at_ == text_.size() || !(is_letter(text_[at_]) || is_digit(text_[at_])))
                return complaint(text_, at_, "expected a name after \".\"");
            word();
        } else if (text_[at_] == '[') {
            ++at_;
            if (at_ < text_.size() && text_[at_] == '"') {
                if (text_.substr(t.begin, at_ - t.begin) != "label[")
                    return complaint(text_, at_,
                                     "only a label may stand in brackets and quotes, as in label[\"x/y\"];"
                                     " expected a number");
                SIGRUN_TRY(ignored, read_quoted(text_, at_));
                if (ignored.empty()) return complaint(text_, at_ - 1, "expected the name of a label");
            } else {
                const std::size_t digits = at_;
                while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
                if (at_ == digits || at_ - digits > 6)
                    return complaint(text_, digits, "expected a position from 0 to 999999 after \"[\"");
            }
            if (at_ == text_.size() || text_[at_] != ']') return complaint(text_, at_, "expected \"]\"");
            ++at_;
        } else {
            break;
        }
    }
    t.end = static_cast<std::uint32_t>(at_);
    return t;
}

result<token> lexer::number(token t) {
    t.kind = token_kind::literal;
    const std::size_t begin = at_;
    if (text_[at_] == '-') ++at_;
    while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
    if (at_ + 1 < text_.size() && text_[at_] == '.' && is_digit(text_[at_ + 1])) {
        ++at_;
        while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
    }
    const std::string_view digits = text_.substr(begin, at_ - begin);
    const std::size_t unit_begin = at_;
    while (at_ < text_.size() && (is_letter(text_[at_]) || is_digit(text_[at_]) || text_[at_] == '.')) ++at_;
    t.end = static_cast<std::uint32_t>(at_);
    SIGRUN_CHECK_OK(unit(t, digits, text_.substr(unit_begin, at_ - unit_begin)));
    return t;
}

result<void> lexer::unit(token& t, std::string_view digits, std::string_view word) {
    scalar& s = t.value.value;
    s = number_of(digits);
    if (s.kind == scalar_kind::none) return complaint(text_, t.begin, "the number is too large");
    if (word.empty()) return {};
    const std::string_view whole = text_.substr(t.begin, t.end - t.begin);
    // 1e9 and 2.5e-3 are numbers; the sign of the exponent is not part of `word`.
    if ((word[0] == 'e' || word[0] == 'E') && (word.size() == 1 || is_digit(word[1]))) {
        if (word.size() == 1 && at_ < text_.size() && (text_[at_] == '-' || text_[at_] == '+')) {
            ++at_;
            while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
            t.end = static_cast<std::uint32_t>(at_);
        }
        s = number_of(text_.substr(t.begin, t.end - t.begin));
        if (s.kind == scalar_kind::none) return complaint(text_, t.begin, "expected a number such as 4, 2.5 or 1e9");
        return {};
    }
    std::string_view name = word;
    if (name.back() == 'B') name.remove_suffix(1);
    const auto* size =
        std::find_if(std::begin(k_sizes), std::end(k_sizes), [&](const size_unit& u) { return u.name == name; });
    if (size != std::end(k_sizes) || name.empty()) {
        const double factor = name.empty() ? 1 : size->factor;
        const auto whole_factor = static_cast<std::uint64_t>(factor);
        std::uint64_t bytes = 0;
        if (s.kind == scalar_kind::integer && s.integer >= 0 &&
            !__builtin_mul_overflow(static_cast<std::uint64_t>(s.integer), whole_factor, &bytes)) {
        } else if (s.kind == scalar_kind::real && s.real >= 0 && s.real * factor < 0x1p63) {
            bytes = static_cast<std::uint64_t>(s.real * factor);
        } else {
            return complaint(text_, t.begin, "expected a size from 0 to 16 EiB");
        }
        if (bytes > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
            s.kind = scalar_kind::natural;
            s.natural = bytes;
        } else {
            s.kind = scalar_kind::integer;
            s.integer = static_cast<std::int64_t>(bytes);
        }
        return {};
    }
    auto duration = parse_duration(whole);
    if (!duration || s.kind == scalar_kind::none)
        return complaint(text_, t.begin, "expected a number, a size such as 8GiB or a duration such as 5ms");
    s.kind = scalar_kind::duration;
    s.integer = duration->count();
    return {};
}

result<token> lexer::symbol(token t) {
    struct spelling {
        std::string_view text;
        token_kind kind;
        relation rel;
    };
    static constexpr relation k_none = relation::equal;
    static constexpr spelling k_spellings[] = {{"&&", token_kind::both, k_none},
                                               {"||", token_kind::either, k_none},
                                               {"==", token_kind::compare, relation::equal},
                                               {"!=", token_kind::compare, relation::not_equal},
                                               {"<=", token_kind::compare, relation::less_equal},
                                               {">=", token_kind::compare, relation::greater_equal},
                                               {"<", token_kind::compare, relation::less},
                                               {">", token_kind::compare, relation::greater},
                                               {"!", token_kind::negate, k_none},
                                               {"(", token_kind::open, k_none},
                                               {")", token_kind::close, k_none},
                                               {"[", token_kind::list_open, k_none},
                                               {"]", token_kind::list_close, k_none},
                                               {",", token_kind::comma, k_none}};
    for (const auto& s : k_spellings)
        if (text_.substr(at_).starts_with(s.text)) {
            t.kind = s.kind;
            t.rel = s.rel;
            at_ += s.text.size();
            t.end = static_cast<std::uint32_t>(at_);
            return t;
        }
    switch (text_[at_]) {
        case '&': return complaint(text_, at_, "expected \"&&\"");
        case '|': return complaint(text_, at_, "expected \"||\"");
        case '=': return complaint(text_, at_, "expected \"==\"");
        case '\'': return complaint(text_, at_, "expected a text in double quotes");
        default: return complaint(text_, at_, "this character has no meaning outside a text");
    }
}

}  // namespace sigrun::expr

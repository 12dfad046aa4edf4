#include "kernel/select/scalar.hpp"

#include <charconv>
#include <cmath>

namespace sigrun::expr {
namespace {

/// Takes the next number of a dotted version; false at its end.
bool take_part(std::string_view& text, std::uint64_t& out) noexcept {
    out = 0;
    auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (ec == std::errc::result_out_of_range)
        out = ~0ull;
    else if (ec != std::errc())
        return false;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (!text.empty() && text.front() == '.')
        text.remove_prefix(1);
    else
        text = {};
    return true;
}

std::partial_ordering compare_real(double a, const scalar& b) noexcept {
    if (b.kind == scalar_kind::real) return a <=> b.real;
    if (std::isnan(a)) return std::partial_ordering::unordered;
    // Against a 64-bit integer: the whole parts as integers, then the fraction. A plain conversion would
    // round.
    if (b.kind == scalar_kind::natural || b.integer >= 0) {
        const std::uint64_t n = b.kind == scalar_kind::natural ? b.natural : static_cast<std::uint64_t>(b.integer);
        if (a < 0) return std::partial_ordering::less;
        if (a >= 0x1p64) return std::partial_ordering::greater;
        const double whole = std::floor(a);
        const auto i = static_cast<std::uint64_t>(whole);
        if (i != n) return i <=> n;
        return a > whole ? std::partial_ordering::greater : std::partial_ordering::equivalent;
    }
    if (a >= 0) return std::partial_ordering::greater;
    if (a < -0x1p63) return std::partial_ordering::less;
    const double whole = std::floor(a);
    const auto i = static_cast<std::int64_t>(whole);
    if (i != b.integer) return i <=> b.integer;
    return a > whole ? std::partial_ordering::greater : std::partial_ordering::equivalent;
}

std::partial_ordering reversed(std::partial_ordering o) noexcept { return 0 <=> o; }

std::partial_ordering compare_numbers(const scalar& a, const scalar& b) noexcept {
    if (a.kind == scalar_kind::real) return compare_real(a.real, b);
    if (b.kind == scalar_kind::real) return reversed(compare_real(b.real, a));
    // A natural is always above the range of integer.
    if (a.kind == scalar_kind::natural)
        return b.kind == scalar_kind::natural ? a.natural <=> b.natural : std::partial_ordering::greater;
    if (b.kind == scalar_kind::natural) return std::partial_ordering::less;
    return a.integer <=> b.integer;
}

std::optional<std::partial_ordering> compare_version_scalars(const scalar& a, const scalar& b) noexcept {
    auto text_of = [](const scalar& s, char* room) -> std::string_view {
        if (s.kind == scalar_kind::text || s.kind == scalar_kind::version) return s.text;
        if (s.kind != scalar_kind::integer || s.integer < 0) return {};
        return {room, static_cast<std::size_t>(std::to_chars(room, room + 24, s.integer).ptr - room)};
    };
    char room_a[24], room_b[24];
    auto order = compare_versions(text_of(a, room_a), text_of(b, room_b));
    if (!order) return std::nullopt;
    return *order;
}

}  // namespace

scalar to_scalar(packed_value v) noexcept {
    using kind = packed_value::kind;
    scalar s;
    switch (v.what()) {
        case kind::no:
        case kind::yes:
            s.kind = scalar_kind::boolean;
            s.boolean = v.what() == kind::yes;
            break;
        case kind::integer:
            s.kind = scalar_kind::integer;
            s.integer = v.integer();
            break;
        case kind::natural:
            s.kind = scalar_kind::natural;
            s.natural = v.natural();
            break;
        case kind::real:
            s.kind = scalar_kind::real;
            s.real = v.real();
            break;
        case kind::text:
            s.kind = scalar_kind::text;
            s.text = v.text();
            break;
        default: break;
    }
    return s;
}

std::optional<std::partial_ordering> compare(const scalar& a, const scalar& b) noexcept {
    if (a.kind == scalar_kind::version || b.kind == scalar_kind::version) return compare_version_scalars(a, b);
    if (a.is_number() && b.is_number()) return compare_numbers(a, b);
    if (a.kind != b.kind) return std::nullopt;
    switch (a.kind) {
        case scalar_kind::boolean: return a.boolean <=> b.boolean;
        case scalar_kind::text: return a.text <=> b.text;
        case scalar_kind::duration: return a.integer <=> b.integer;
        default: return std::nullopt;
    }
}

std::optional<std::strong_ordering> compare_versions(std::string_view a, std::string_view b) noexcept {
    if (a.starts_with('v')) a.remove_prefix(1);
    if (b.starts_with('v')) b.remove_prefix(1);
    std::uint64_t x = 0, y = 0;
    bool more_a = take_part(a, x), more_b = take_part(b, y);
    if (!more_a || !more_b) return std::nullopt;
    while (more_a || more_b) {
        if (x != y) return x <=> y;
        more_a = take_part(a, x);
        more_b = take_part(b, y);
    }
    return std::strong_ordering::equal;
}

bool holds(relation r, std::partial_ordering o) noexcept {
    switch (r) {
        case relation::equal: return o == 0;
        case relation::not_equal: return o != 0;
        case relation::less: return o < 0;
        case relation::less_equal: return o <= 0;
        case relation::greater: return o > 0;
        default: return o >= 0;
    }
}

}  // namespace sigrun::expr

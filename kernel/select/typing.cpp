#include "kernel/select/typing.hpp"

namespace sigrun::expr {
namespace {

enum class family : std::uint8_t { unknown, boolean, number, text, version, duration, list };

family family_of(scalar_kind k) noexcept {
    switch (k) {
        case scalar_kind::boolean: return family::boolean;
        case scalar_kind::text: return family::text;
        case scalar_kind::version: return family::version;
        case scalar_kind::duration: return family::duration;
        case scalar_kind::none: return family::unknown;
        default: return family::number;
    }
}
family family_of(const expression& e, const operand& o) noexcept {
    switch (o.what) {
        case operand::kind::literal: return family_of(e.literals[o.index].value.kind);
        case operand::kind::path: return family::unknown;
        case operand::kind::list: return family::list;
        default: return family::number;
    }
}
std::string_view name_of(family f) noexcept {
    switch (f) {
        case family::boolean: return "true or false";
        case family::number: return "a number";
        case family::text: return "a text";
        case family::version: return "a version";
        case family::duration: return "a duration";
        case family::list: return "a list";
        default: return "a key";
    }
}
/// A version compares with a text, because facts carry versions as text.
bool comparable(family a, family b) noexcept {
    return a == family::unknown || b == family::unknown || a == b || (a == family::version && b == family::text) ||
           (a == family::text && b == family::version);
}

bool convert(expression& e, std::uint32_t index, const operand& other) {
    scalar& s = e.literals[index].value;
    if (s.kind != scalar_kind::duration) return true;
    if (other.what == operand::kind::literal) return e.literals[other.index].value.kind == scalar_kind::duration;
    const std::int64_t unit = other.what == operand::kind::path ? e.paths[other.index].unit_ns : 0;
    if (!unit) return false;
    if (s.integer % unit == 0) {
        s.kind = scalar_kind::integer;
        s.integer /= unit;
    } else {
        s.real = static_cast<double>(s.integer) / static_cast<double>(unit);
        s.kind = scalar_kind::real;
    }
    return true;
}

constexpr const char* k_needs_unit = "a duration needs a key that ends in _ns, _us, _ms or _s";

}  // namespace

std::string_view describe(const expression& e, const operand& o) noexcept {
    if (o.what == operand::kind::count_of || o.what == operand::kind::count_matching) return "a count";
    return name_of(family_of(e, o));
}

std::optional<type_flaw> check_types(expression& e, const node& n) {
    using side = type_flaw::side;
    const family left = family_of(e, n.left), right = family_of(e, n.right);
    if (left == family::list) return type_flaw{side::left, "a list can stand only after \"in\""};
    if (n.what == node::kind::in) {
        if (right != family::list && right != family::unknown)
            return type_flaw{side::right, "expected a list or a key after \"in\""};
        if (right == family::unknown) {
            if (left == family::duration) return type_flaw{side::left, k_needs_unit};
            return std::nullopt;
        }
        for (std::uint32_t i = 0; i < n.right.count; ++i) {
            const std::uint32_t element = e.links[n.right.index + i];
            const family f = family_of(e.literals[element].value.kind);
            if (!comparable(left, f))
                return type_flaw{side::right, "expected a list of the type of the value, found " +
                                                  std::string(name_of(f)) + " in it"};
            if (!convert(e, element, n.left)) return type_flaw{side::right, k_needs_unit};
        }
        return std::nullopt;
    }
    if (right == family::list) return type_flaw{side::right, "a list can stand only after \"in\""};
    const bool ordered = n.rel != relation::equal && n.rel != relation::not_equal;
    if (ordered && (left == family::boolean || right == family::boolean))
        return type_flaw{left == family::boolean ? side::left : side::right, "true and false have no order"};
    if (left == family::duration && right != family::duration && n.left.what == operand::kind::literal &&
        !convert(e, n.left.index, n.right))
        return type_flaw{side::left, k_needs_unit};
    if (right == family::duration && left != family::duration && n.right.what == operand::kind::literal &&
        !convert(e, n.right.index, n.left))
        return type_flaw{side::right, k_needs_unit};
    if (!comparable(left, right))
        return type_flaw{side::sign,
                         "cannot compare " + std::string(name_of(left)) + " with " + std::string(name_of(right))};
    return std::nullopt;
}

}  // namespace sigrun::expr

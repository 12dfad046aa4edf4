// The normal form of an expression, which the parser reads back to the same expression.
#include "kernel/base/quantity.hpp"
#include "kernel/select/expression.hpp"
#include "kernel/select/lexer.hpp"

#include <algorithm>
#include <charconv>

namespace sigrun::expr {
namespace {

class printer {
public:
    explicit printer(const expression& e) noexcept : e_(e) {}

    /// `inside` is the kind of the node around this one: parentheses only where they change the meaning.
    void node_text(std::uint32_t index, node::kind inside = node::kind::constant) {
        const node& n = e_.nodes[index];
        switch (n.what) {
            case node::kind::constant: out += n.value ? "true" : "false"; break;
            case node::kind::both:
            case node::kind::either: {
                const bool brackets = inside == node::kind::both || inside == node::kind::negate;
                if (brackets) out += '(';
                for (std::uint32_t i = 0; i < n.count; ++i) {
                    if (i) out += n.what == node::kind::both ? " && " : " || ";
                    node_text(e_.links[n.first + i], n.what);
                }
                if (brackets) out += ')';
                break;
            }
            case node::kind::negate: {
                const auto inner = e_.nodes[n.first].what;
                const bool brackets = inner == node::kind::compare || inner == node::kind::in;
                out += brackets ? "!(" : "!";
                node_text(n.first, node::kind::negate);
                if (brackets) out += ')';
                break;
            }
            case node::kind::compare:
                operand_text(n.left);
                out.append(" ").append(to_string(n.rel)).append(" ");
                operand_text(n.right);
                break;
            case node::kind::in:
                operand_text(n.left);
                out += " in ";
                operand_text(n.right);
                break;
            case node::kind::holds: out += e_.paths[n.first].text; break;
            case node::kind::any: quantifier_text("any", n.first); break;
            case node::kind::all: quantifier_text("all", n.first); break;
            case node::kind::known: out += "known(" + e_.paths[n.first].text + ")"; break;
            case node::kind::present: out += "present(" + e_.paths[n.first].text + ")"; break;
        }
    }

    std::string out;

private:
    void quantifier_text(std::string_view name, std::uint32_t index) {
        const quantifier& q = e_.quantifiers[index];
        out.append(name).append("(").append(q.variable).append(" in ").append(e_.paths[q.list].text).append(", ");
        node_text(q.body);
        out += ')';
    }
    void operand_text(const operand& o) {
        switch (o.what) {
            case operand::kind::literal: literal_text(e_.literals[o.index]); break;
            case operand::kind::path: out += e_.paths[o.index].text; break;
            case operand::kind::list:
                out += '[';
                for (std::uint32_t i = 0; i < o.count; ++i) {
                    if (i) out += ", ";
                    literal_text(e_.literals[e_.links[o.index + i]]);
                }
                out += ']';
                break;
            case operand::kind::count_of: out += "count(" + e_.paths[o.index].text + ")"; break;
            case operand::kind::count_matching: quantifier_text("count", o.index); break;
        }
    }
    template <class Number>
    void digits(Number n) {
        char room[64];
        out.append(room, std::to_chars(room, room + sizeof room, n).ptr);
    }
    void literal_text(const literal& l) {
        switch (l.value.kind) {
            case scalar_kind::none: break;
            case scalar_kind::boolean: out += l.value.boolean ? "true" : "false"; break;
            case scalar_kind::integer: digits(l.value.integer); break;
            case scalar_kind::natural: digits(l.value.natural); break;
            case scalar_kind::real: {
                // Scientific, so that it is read back as the same kind: 2e+00 is not the integer 2.
                char room[64];
                out.append(room,
                           std::to_chars(room, room + sizeof room, l.value.real, std::chars_format::scientific).ptr);
                break;
            }
            case scalar_kind::text: out += quoted(l.text); break;
            case scalar_kind::version: out += "v\"" + l.text + "\""; break;
            case scalar_kind::duration: out += format_duration(nanoseconds(l.value.integer)); break;
        }
    }

    const expression& e_;
};

class key_collector {
public:
    key_collector(const expression& e, path::root of) noexcept : e_(e), of_(of) {}

    void from_node(std::uint32_t index) {
        const node& n = e_.nodes[index];
        switch (n.what) {
            case node::kind::constant: break;
            case node::kind::both:
            case node::kind::either:
                for (std::uint32_t i = 0; i < n.count; ++i) from_node(e_.links[n.first + i]);
                break;
            case node::kind::negate: from_node(n.first); break;
            case node::kind::compare:
            case node::kind::in:
                from_operand(n.left);
                from_operand(n.right);
                break;
            case node::kind::any:
            case node::kind::all: from_quantifier(n.first); break;
            default: from_path(n.first);
        }
    }
    std::vector<std::string> found;

private:
    void from_quantifier(std::uint32_t index) {
        from_path(e_.quantifiers[index].list);
        from_node(e_.quantifiers[index].body);
    }
    void from_operand(const operand& o) {
        if (o.what == operand::kind::path || o.what == operand::kind::count_of) from_path(o.index);
        if (o.what == operand::kind::count_matching) from_quantifier(o.index);
    }
    void from_path(std::uint32_t index) {
        const path& p = e_.paths[index];
        if (p.from == of_) found.push_back(of_ == path::root::label ? p.base : p.text);
    }
    const expression& e_;
    const path::root of_;
};

}  // namespace

std::string_view to_string(relation r) noexcept {
    constexpr std::string_view names[] = {"==", "!=", "<", "<=", ">", ">="};
    return names[static_cast<std::size_t>(r)];
}

std::string print(const expression& e, std::uint32_t node) {
    if (e.empty) return {};
    printer p(e);
    p.node_text(node);
    return std::move(p.out);
}

namespace {

std::vector<std::string> collected(const expression& e, std::uint32_t node, path::root of) {
    key_collector c(e, of);
    c.from_node(node);
    std::sort(c.found.begin(), c.found.end());
    c.found.erase(std::unique(c.found.begin(), c.found.end()), c.found.end());
    return std::move(c.found);
}

}  // namespace

std::vector<std::string> keys(const expression& e, std::uint32_t node) { return collected(e, node, path::root::fact); }
std::vector<std::string> labels(const expression& e, std::uint32_t node) {
    return collected(e, node, path::root::label);
}

}  // namespace sigrun::expr

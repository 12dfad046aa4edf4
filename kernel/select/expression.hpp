// The compiled form of a requirement: flat arrays that refer to each other by position. Immutable after
// parsing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun::expr {

enum class scalar_kind : std::uint8_t { none, boolean, integer, natural, real, text, version, duration };

/// A literal, or a fact's value seen without copying. `none` is what cannot be compared: lists and records.
struct scalar {
    scalar_kind kind = scalar_kind::none;
    union {
        bool boolean;
        std::int64_t integer = 0;  // also a duration, in nanoseconds
        std::uint64_t natural;     // above the range of integer
        double real;
    };
    std::string_view text{};  // text and version; borrowed

    bool is_number() const noexcept {
        return kind == scalar_kind::integer || kind == scalar_kind::natural || kind == scalar_kind::real;
    }
};

enum class relation : std::uint8_t { equal, not_equal, less, less_equal, greater, greater_equal };
std::string_view to_string(relation r) noexcept;

/// One step into a list or a record.
struct step {
    std::string member;  // empty: an index
    std::uint32_t index = 0;
};

/// Where a value is found.
struct path {
    enum class root : std::uint8_t { fact, label, variable };
    root from = root::fact;
    std::uint8_t variable = 0;  // position in the stack of quantifiers, outermost first
    std::string text;           // as written in canonical form; facts are looked up by it first
    std::string base;           // fact: the part before the first index; label: its name; else empty
    std::string rest;           // variable: what follows its name, "memory_bytes"; facts of flattened lists use it
    std::vector<step> steps;    // from base, or from the variable, to the value
    std::int64_t unit_ns = 0;   // from the suffix _ns _us _ms _s; 0 = not a duration
};

struct literal {
    scalar value;
    std::string text;  // storage of value.text; value.text itself is set on use
    scalar get() const noexcept {
        scalar s = value;
        s.text = text;
        return s;
    }
};

/// Something with a value: the side of a comparison.
struct operand {
    enum class kind : std::uint8_t { literal, path, list, count_of, count_matching };
    kind what = kind::literal;
    std::uint32_t index = 0;  // into literals, paths, (list) links, (count_of) paths, (count_matching) quantifiers
    std::uint32_t count = 0;  // list: number of elements
};

struct quantifier {
    std::string variable;
    std::uint32_t list = 0;  // path
    std::uint32_t body = 0;  // node
};

struct node {
    enum class kind : std::uint8_t { constant, both, either, negate, compare, in, holds, any, all, known, present };
    kind what = kind::constant;
    relation rel = relation::equal;  // compare
    bool value = true;               // constant
    std::uint32_t first = 0;  // both, either: links; negate: node; holds, known, present: path; any, all: quantifier
    std::uint32_t count = 0;  // both, either: number of children
    operand left{}, right{};  // compare, in
    std::uint32_t begin = 0, end = 0;  // bytes of the source text
};

struct expression {
    std::vector<literal> literals;
    std::vector<path> paths;
    std::vector<quantifier> quantifiers;
    std::vector<node> nodes;
    std::vector<std::uint32_t> links;  // children of both and either: nodes; elements of lists: literals
    std::uint32_t root = 0;
    bool empty = false;  // no text at all: matches everything
};

constexpr std::size_t k_max_text = 4096;
constexpr std::uint32_t k_max_terms = 256;
constexpr std::uint32_t k_max_depth = 32;
/// any, all and count inside each other: two levels keep the work of a match bounded.
constexpr std::uint32_t k_max_quantifiers = 2;

/// Prints the subtree in canonical form.
std::string print(const expression& e, std::uint32_t node);
/// Fact keys the subtree reads, sorted.
std::vector<std::string> keys(const expression& e, std::uint32_t node);
/// Names of the labels it reads, sorted.
std::vector<std::string> labels(const expression& e, std::uint32_t node);

}  // namespace sigrun::expr

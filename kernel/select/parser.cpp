#include "kernel/select/parser.hpp"

#include "kernel/select/key_path.hpp"
#include "kernel/select/lexer.hpp"
#include "kernel/select/typing.hpp"

#include <algorithm>
#include <utility>

namespace sigrun::expr {
namespace {

/// What a piece of text turned out to be: something with a value, or a condition that is true or false.
struct item {
    bool is_value = false;
    operand value{};
    std::uint32_t node = 0;
    std::uint32_t begin = 0, end = 0;
};

class parser {
public:
    explicit parser(std::string_view text) noexcept : lexer_(text) {}

    result<expression> run() {
        SIGRUN_CHECK_OK(advance());
        if (token_.kind == token_kind::end) {
            e_.empty = true;
            e_.nodes.emplace_back();
            return std::move(e_);
        }
        SIGRUN_TRY(whole, either());
        SIGRUN_TRY(root, condition(whole));
        if (token_.kind != token_kind::end) return unexpected("\"&&\", \"||\" or the end");
        e_.root = root;
        return std::move(e_);
    }

private:
    using join = node::kind;

    result<void> advance() {
        last_ = std::move(token_);
        SIGRUN_TRY(t, lexer_.next());
        token_ = std::move(t);
        return {};
    }
    std::string_view slice(std::uint32_t begin, std::uint32_t end) const noexcept {
        return lexer_.text().substr(begin, end - begin);
    }
    problem wrong(std::size_t at, const std::string& what) const { return complaint(lexer_.text(), at, what); }
    problem unexpected(std::string_view expected) const {
        std::string what = "expected " + std::string(expected);
        if (last_.end > last_.begin) what += " after \"" + std::string(slice(last_.begin, last_.end)) + "\"";
        return wrong(token_.begin, what);
    }
    bool at_word(std::string_view word) const noexcept {
        return token_.kind == token_kind::name && slice(token_.begin, token_.end) == word;
    }
    result<void> expect(token_kind kind, std::string_view name) {
        if (token_.kind != kind) return unexpected(name);
        return advance();
    }
    template <class T>
    static std::uint32_t put(std::vector<T>& into, T value) {
        into.push_back(std::move(value));
        return static_cast<std::uint32_t>(into.size() - 1);
    }
    result<std::uint32_t> add_term(node n) {
        if (++terms_ > k_max_terms) return wrong(n.begin, "more than 256 terms");
        return put(e_.nodes, n);
    }

    result<item> either() { return chain(token_kind::either, join::either); }
    result<item> both() { return chain(token_kind::both, join::both); }

    /// One level of || or &&, with nested ones of the same kind pulled up.
    result<item> chain(token_kind separator, node::kind kind) {
        auto part = [&] { return kind == join::either ? both() : unary(); };
        SIGRUN_TRY(first, part());
        if (token_.kind != separator) return std::move(first);
        std::vector<std::uint32_t> children;
        auto take = [&](const item& i) -> result<void> {
            SIGRUN_TRY(n, condition(i));
            const node& child = e_.nodes[n];
            if (child.what == kind)
                children.insert(children.end(), e_.links.begin() + child.first,
                                e_.links.begin() + child.first + child.count);
            else
                children.push_back(n);
            return {};
        };
        SIGRUN_CHECK_OK(take(first));
        std::uint32_t end = first.end;
        while (token_.kind == separator) {
            SIGRUN_CHECK_OK(advance());
            SIGRUN_TRY(more, part());
            SIGRUN_CHECK_OK(take(more));
            end = more.end;
        }
        node n;
        n.what = kind;
        n.first = static_cast<std::uint32_t>(e_.links.size());
        n.count = static_cast<std::uint32_t>(children.size());
        n.begin = first.begin;
        n.end = end;
        e_.links.insert(e_.links.end(), children.begin(), children.end());
        return item{false, {}, put(e_.nodes, n), n.begin, n.end};
    }

    /// Nesting is recursion: bounded before it can exhaust the stack.
    struct depth_guard {
        explicit depth_guard(std::uint32_t& d) noexcept : depth(d) { ++depth; }
        ~depth_guard() { --depth; }
        depth_guard(const depth_guard&) = delete;
        std::uint32_t& depth;
    };

    result<item> unary() {
        if (token_.kind != token_kind::negate) return related();
        depth_guard guard(depth_);
        if (depth_ > k_max_depth) return wrong(token_.begin, "nested more than 32 deep");
        node n;
        n.what = join::negate;
        n.begin = token_.begin;
        SIGRUN_CHECK_OK(advance());
        SIGRUN_TRY(inner, token_.kind == token_kind::negate ? unary() : primary());
        if (token_.kind == token_kind::compare || at_word("in"))
            return wrong(n.begin, "\"!\" negates what follows directly; put the comparison in parentheses");
        SIGRUN_TRY(child, condition(inner));
        n.first = child;
        n.end = inner.end;
        return item{false, {}, put(e_.nodes, n), n.begin, n.end};
    }

    result<item> related() {
        SIGRUN_TRY(left, primary());
        const bool in = at_word("in");
        if (!in && token_.kind != token_kind::compare) return std::move(left);
        if (!left.is_value)
            return wrong(left.begin,
                         "expected a value before \"" + std::string(slice(token_.begin, token_.end)) + "\"");
        node n;
        n.what = in ? join::in : join::compare;
        n.rel = token_.rel;
        n.begin = left.begin;
        const std::uint32_t sign = token_.begin;
        SIGRUN_CHECK_OK(advance());
        if (!starts_value()) return unexpected(in ? "a list or a key" : "a value");
        SIGRUN_TRY(right, primary());
        if (!right.is_value) return wrong(right.begin, in ? "expected a list or a key" : "expected a value");
        n.end = right.end;
        n.left = left.value;
        n.right = right.value;
        if (auto flaw = check_types(e_, n)) {
            const std::uint32_t at = flaw->where == type_flaw::side::left    ? left.begin
                                     : flaw->where == type_flaw::side::right ? right.begin
                                                                             : sign;
            return wrong(at, flaw->what);
        }
        if (token_.kind == token_kind::compare || at_word("in"))
            return wrong(token_.begin, "comparisons cannot be chained; join them with \"&&\"");
        SIGRUN_TRY(term, add_term(n));
        return item{false, {}, term, n.begin, n.end};
    }

    bool starts_value() const noexcept {
        return (token_.kind == token_kind::name && !at_word("in")) || token_.kind == token_kind::literal ||
               token_.kind == token_kind::open || token_.kind == token_kind::list_open;
    }

    result<item> primary() {
        item i;
        i.begin = token_.begin;
        if (token_.kind == token_kind::open) {
            depth_guard guard(depth_);
            if (depth_ > k_max_depth) return wrong(token_.begin, "nested more than 32 deep");
            const std::uint32_t open = token_.begin;
            SIGRUN_CHECK_OK(advance());
            SIGRUN_TRY(inner, either());
            i = inner;
            if (token_.kind != token_kind::close) return unexpected("\")\"");
            i.begin = open;
            SIGRUN_CHECK_OK(advance());
            i.end = last_.end;
            return i;
        }
        if (token_.kind == token_kind::literal) {
            i.is_value = true;
            i.value = {operand::kind::literal, put(e_.literals, token_.value), 0};
            SIGRUN_CHECK_OK(advance());
            i.end = last_.end;
            return i;
        }
        if (token_.kind == token_kind::list_open) return list();
        if (token_.kind == token_kind::name && !at_word("in")) return named();
        return unexpected("a condition");
    }

    result<item> list() {
        item i;
        i.is_value = true;
        i.begin = token_.begin;
        SIGRUN_CHECK_OK(advance());
        std::vector<std::uint32_t> elements;
        while (token_.kind != token_kind::list_close) {
            literal value;
            if (token_.kind == token_kind::literal)
                value = token_.value;
            else if (at_word("true") || at_word("false"))
                value = boolean(at_word("true"));
            else
                return unexpected("a number, a text or \"]\"");
            elements.push_back(put(e_.literals, std::move(value)));
            SIGRUN_CHECK_OK(advance());
            if (token_.kind == token_kind::comma) {
                SIGRUN_CHECK_OK(advance());
                if (token_.kind == token_kind::list_close) return unexpected("a number or a text");
            } else if (token_.kind != token_kind::list_close) {
                return unexpected("\",\" or \"]\"");
            }
        }
        SIGRUN_CHECK_OK(advance());
        i.end = last_.end;
        i.value = {operand::kind::list, static_cast<std::uint32_t>(e_.links.size()),
                   static_cast<std::uint32_t>(elements.size())};
        e_.links.insert(e_.links.end(), elements.begin(), elements.end());
        return i;
    }

    static literal boolean(bool value) {
        literal l;
        l.value.kind = scalar_kind::boolean;
        l.value.boolean = value;
        return l;
    }

    result<item> named() {
        item i;
        i.begin = token_.begin;
        i.end = token_.end;
        i.is_value = true;
        if (at_word("true") || at_word("false")) {
            i.value = {operand::kind::literal, put(e_.literals, boolean(at_word("true"))), 0};
            SIGRUN_CHECK_OK(advance());
            return i;
        }
        const token name = token_;
        SIGRUN_CHECK_OK(advance());
        if (token_.kind == token_kind::open) return function(name);
        SIGRUN_TRY(where, key(name));
        i.value = {operand::kind::path, where, 0};
        return i;
    }

    result<std::uint32_t> key(const token& name) {
        auto p = read_path(slice(name.begin, name.end), scopes_);
        if (!p) return wrong(name.begin, p.error().message);
        return put(e_.paths, std::move(*p));
    }

    result<item> function(const token& name) {
        const std::string_view word = slice(name.begin, name.end);
        node n;
        n.begin = name.begin;
        item i;
        i.begin = name.begin;
        if (word == "known" || word == "present") {
            n.what = word == "known" ? join::known : join::present;
            SIGRUN_CHECK_OK(advance());
            if (token_.kind != token_kind::name) return unexpected("a key");
            SIGRUN_TRY(where, key(token_));
            n.first = where;
            SIGRUN_CHECK_OK(advance());
        } else if (word == "any" || word == "all" || word == "count") {
            SIGRUN_CHECK_OK(advance());
            if (token_.kind != token_kind::name)
                return unexpected(word == "count" ? "a list" : "a name for the element");
            const token first = token_;
            SIGRUN_CHECK_OK(advance());
            if (word == "count" && token_.kind == token_kind::close) {
                SIGRUN_TRY(where, key(first));
                i.is_value = true;
                i.value = {operand::kind::count_of, where, 0};
            } else {
                SIGRUN_TRY(q, over(first));
                n.what = word == "all" ? join::all : join::any;
                n.first = q;
                i.is_value = word == "count";
                i.value = {operand::kind::count_matching, q, 0};
            }
        } else {
            return wrong(name.begin, "there is no function \"" + std::string(word) +
                                         "\"; expected any, all, count, known or present");
        }
        SIGRUN_CHECK_OK(expect(token_kind::close, "\")\""));
        i.end = n.end = last_.end;
        if (i.is_value) return i;
        SIGRUN_TRY(term, add_term(n));
        i.node = term;
        return i;
    }

    /// "x in list, condition" of any, all and count; `name` is the x just read.
    result<std::uint32_t> over(const token& name) {
        const std::string variable(slice(name.begin, name.end));
        if (variable.find_first_of(".[") != std::string::npos || variable == "label" || variable == "in" ||
            variable == "true" || variable == "false")
            return wrong(name.begin, "expected a plain name for the element");
        if (std::find(scopes_.begin(), scopes_.end(), variable) != scopes_.end())
            return wrong(name.begin, "the name \"" + variable + "\" is in use already");
        if (scopes_.size() == k_max_quantifiers)
            return wrong(name.begin, "any, all and count can be nested only two deep");
        if (!at_word("in")) return unexpected("\"in\"");
        SIGRUN_CHECK_OK(advance());
        if (token_.kind != token_kind::name) return unexpected("a list");
        quantifier q;
        q.variable = variable;
        SIGRUN_TRY(where, key(token_));
        q.list = where;
        SIGRUN_CHECK_OK(advance());
        SIGRUN_CHECK_OK(expect(token_kind::comma, "\",\""));
        depth_guard guard(depth_);
        if (depth_ > k_max_depth) return wrong(token_.begin, "nested more than 32 deep");
        scopes_.push_back(variable);
        SIGRUN_TRY(body, either());
        SIGRUN_TRY(n, condition(body));
        scopes_.pop_back();
        q.body = n;
        return put(e_.quantifiers, std::move(q));
    }

    /// A key alone is a condition: its fact is true.
    result<std::uint32_t> condition(const item& i) {
        if (!i.is_value) return i.node;
        node n;
        n.begin = i.begin;
        n.end = i.end;
        if (i.value.what == operand::kind::path) {
            n.what = join::holds;
            n.first = i.value.index;
            return add_term(n);
        }
        if (i.value.what == operand::kind::literal && e_.literals[i.value.index].value.kind == scalar_kind::boolean) {
            n.what = join::constant;
            n.value = e_.literals[i.value.index].value.boolean;
            return add_term(n);
        }
        return wrong(i.begin, "expected a condition, found " + std::string(describe(e_, i.value)));
    }

    lexer lexer_;
    token token_{}, last_{};
    expression e_;
    std::vector<std::string> scopes_;
    std::uint32_t depth_ = 0, terms_ = 0;
};

}  // namespace

result<expression> parse(std::string_view text) { return parser(text).run(); }

}  // namespace sigrun::expr

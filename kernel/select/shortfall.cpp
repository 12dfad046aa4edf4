// What a machine lacks that does not satisfy a term, for people. Off the hot path.
#include "kernel/base/quantity.hpp"
#include "kernel/select/evaluate.hpp"
#include "kernel/select/observe.hpp"
#include "kernel/select/requirement_impl.hpp"
#include "kernel/select/scalar.hpp"

#include <sigrun/cpp/text.hpp>

#include <cmath>
#include <optional>

namespace sigrun {
namespace {

using namespace expr;
using shortfall = requirement::shortfall;

constexpr std::size_t k_longest_text = 40;

double number_of(const scalar& s) noexcept {
    switch (s.kind) {
        case scalar_kind::integer: return static_cast<double>(s.integer);
        case scalar_kind::natural: return static_cast<double>(s.natural);
        default: return s.real;
    }
}

/// "memory_bytes" is shown as a size.
std::string shown(const scalar& s, std::string_view key) {
    if (s.kind == scalar_kind::text) return "\"" + std::string(s.text.substr(0, k_longest_text)) + "\"";
    if (s.kind == scalar_kind::boolean) return s.boolean ? "true" : "false";
    if (!s.is_number()) return {};
    if (key.ends_with("_bytes") && s.kind != scalar_kind::real && number_of(s) >= 0)
        return format_size(static_cast<std::uint64_t>(number_of(s)));
    return s.kind == scalar_kind::integer   ? std::to_string(s.integer)
           : s.kind == scalar_kind::natural ? std::to_string(s.natural)
                                            : sdk::concat(s.real);
}

/// The comparison of a path with a literal that decides a node: it itself, or the first of a chain of &&.
const node* deciding(const expression& e, std::uint32_t index) {
    const node& n = e.nodes[index];
    if (n.what == node::kind::compare) return &n;
    if (n.what != node::kind::both) return nullptr;
    const node* first = nullptr;
    for (std::uint32_t i = 0; i < n.count; ++i) {
        const node* one = deciding(e, e.links[n.first + i]);
        if (!one) continue;
        if (!first) first = one;
        // A quantity says more than a name.
        for (const operand* o : {&one->left, &one->right})
            if (o->what == operand::kind::literal && e.literals[o->index].get().is_number()) return one;
    }
    return first;
}

class inquiry {
public:
    inquiry(const expression& e, const match_subject& subject, std::optional<double> nearer_than)
        : e_(e), subject_(subject), nearer_than_(nearer_than), look_(subject, scope_) {}

    shortfall of_no(const node& n) {
        if (n.what == node::kind::compare) return of_comparison(n);
        if (n.what == node::kind::holds) return of_path(e_.paths[n.first], nullptr);
        if (n.what != node::kind::any) return other();
        const quantifier& q = e_.quantifiers[n.first];
        const path& p = e_.paths[q.list];
        const list_view list = look_.list(p);
        if (list.state == standing::absent || (list.state == standing::known && !list.size)) return absent(p.text);
        shortfall best = other();
        const node* body = deciding(e_, q.body);
        if (!body) return best;
        for (list_walk walk(list); walk.more();) {
            look_.variables[0] = walk.next();
            shortfall one = of_comparison(*body);
            if (one.what == shortfall::kind::other && one.distance >= 0 &&
                (best.distance < 0 || one.distance < best.distance))
                best = std::move(one);
        }
        return best;
    }

    shortfall of_unknown(const std::vector<std::string>& keys) {
        shortfall out;
        out.what = shortfall::kind::unknown;
        for (const auto& key : keys) {
            out.why = doubt(key);
            if (!out.why.empty()) return out;
        }
        out.why = keys.empty() ? "it cannot be judged" : keys.front() + " does not say";
        return out;
    }

private:
    static shortfall absent(const std::string& what) {
        shortfall out;
        out.what = shortfall::kind::absent;
        out.why = what;
        return out;
    }
    static shortfall other() {
        shortfall out;
        out.what = shortfall::kind::other;
        return out;
    }

    shortfall of_comparison(const node& n) {
        const operand* asked = nullptr;
        const operand* found = nullptr;
        for (const auto& [one, another] : {std::pair(&n.left, &n.right), std::pair(&n.right, &n.left)})
            if (one->what == operand::kind::literal) {
                asked = one;
                found = another;
            }
        if (!asked) return other();
        const scalar wanted = e_.literals[asked->index].get();
        if (found->what == operand::kind::path) return of_path(e_.paths[found->index], &wanted);
        if (found->what != operand::kind::count_of) return other();
        const path& p = e_.paths[found->index];
        const list_view list = look_.list(p);
        if (list.state == standing::absent || (list.state == standing::known && !list.size)) return absent(p.text);
        scalar count;
        count.kind = scalar_kind::integer;
        count.integer = list.size;
        return list.wrong_shape ? other() : compared(count, &wanted, p.text);
    }
    shortfall of_path(const path& p, const scalar* wanted) {
        const sighting s = look_.look(p);
        if (s.state == standing::absent) return absent(p.from == path::root::label ? "label " + p.base : p.text);
        if (s.state != standing::known) return other();
        scalar v;
        if (s.label) {
            v.kind = scalar_kind::text;
            v.text = *s.label;
        } else {
            v = to_scalar(s.value);
        }
        return compared(v, wanted, p.from == path::root::variable ? p.rest : p.text);
    }
    shortfall compared(const scalar& v, const scalar* wanted, std::string_view key) const {
        shortfall out = other();
        if (wanted && v.is_number() && wanted->is_number()) out.distance = std::abs(number_of(v) - number_of(*wanted));
        if (!nearer_than_ || (out.distance >= 0 && out.distance < *nearer_than_)) out.value = shown(v, key);
        return out;
    }

    /// Why nothing is known of a key; empty: it is known.
    std::string doubt(const std::string& key) {
        if (!subject_.facts) return "nothing is known of it";
        const fact_sheet& facts = *subject_.facts;
        fact_view f = facts.find(key);
        if (!f) f = facts.find(key + ".count");
        if (!f) f = facts.find(key.substr(0, key.find('[')));
        for (auto stem = std::string_view(key); !f && !stem.empty();) {
            const auto cut = stem.find_last_of(".[");
            f = facts.find(std::string(stem) + ".*");
            stem = cut == stem.npos ? std::string_view() : stem.substr(0, cut);
        }
        if (!f) return key + " was never looked at";
        const fact_kind& kind = *f.kind;
        if (kind.status() == fact_status::absent || kind.status() == fact_status::unsupported) return {};
        if (!kind.has_value()) {
            const std::string_view what = kind.status() == fact_status::denied    ? "may not be read"
                                          : kind.status() == fact_status::timeout ? "was not read in time"
                                                                                  : "could not be read";
            return sdk::concat(key, " ", what, kind.detail().empty() ? "" : ": ", kind.detail());
        }
        if (kind.assumed()) return key + " is only assumed";
        const bool fast = kind.volatility() == fact_volatility::fast;
        if (fast && kind.status() == fact_status::stale) return key + " is out of date";
        if (!fast || !kind.ttl_s() || !f.observed_ns) return {};
        const std::int64_t age_s = (clock::system().wall_ns() - f.observed_ns) / 1'000'000'000;
        return age_s >= kind.ttl_s() ? sdk::concat(key, " was last read ", age_s, " s ago") : std::string();
    }

    const expression& e_;
    const match_subject& subject_;
    const std::optional<double> nearer_than_;  // without: all are of interest
    match_scope scope_;
    observer look_;
};

}  // namespace

requirement::shortfall requirement::impl::shortfall_of(std::size_t i, const match_subject& subject, truth known,
                                                       std::optional<double> nearer_than) const {
    inquiry ask(e, subject, nearer_than);
    return known == truth::no ? ask.of_no(e.nodes[term_nodes[i]]) : ask.of_unknown(term_keys[i]);
}

requirement::shortfall requirement::term_shortfall(std::size_t i, const match_subject& subject) const {
    const truth t = i < impl_->term_nodes.size() ? term_matches(i, subject) : truth::yes;
    return t == truth::yes ? shortfall{} : impl_->shortfall_of(i, subject, t, std::nullopt);
}

requirement::shortfall requirement::term_shortfall(std::size_t i, const match_subject& subject, truth known,
                                                   double nearer_than) const {
    if (i >= impl_->term_nodes.size() || known == truth::yes) return {};
    return impl_->shortfall_of(i, subject, known, nearer_than);
}

}  // namespace sigrun

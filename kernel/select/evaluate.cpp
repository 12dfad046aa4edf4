#include "kernel/select/evaluate.hpp"

#include "kernel/select/observe.hpp"
#include "kernel/select/scalar.hpp"

namespace sigrun::expr {
namespace {

truth conjunction(truth a, truth b) noexcept {
    if (a == truth::no || b == truth::no) return truth::no;
    return a == truth::yes ? b : a;
}
truth disjunction(truth a, truth b) noexcept { return negation(conjunction(negation(a), negation(b))); }

/// What an operand came to. A count over conditions that are unknown for some elements is a range.
struct reading {
    standing state = standing::unknown;
    scalar low{}, high{};
    bool range = false;
};

reading read(const scalar& s) noexcept { return {standing::known, s, s, false}; }

/// a REL b for every pair, for none, or for some of the pairs of two ranges.
truth relate_ranges(relation r, const reading& a, const reading& b) noexcept {
    const auto below = compare(a.high, b.low), above = compare(a.low, b.high);  // a's end against b's begin and back
    if (!below || !above) return truth::no;
    switch (r) {
        case relation::less: return *below < 0 ? truth::yes : *above >= 0 ? truth::no : truth::unknown;
        case relation::less_equal: return *below <= 0 ? truth::yes : *above > 0 ? truth::no : truth::unknown;
        case relation::greater: return *above > 0 ? truth::yes : *below <= 0 ? truth::no : truth::unknown;
        case relation::greater_equal: return *above >= 0 ? truth::yes : *below < 0 ? truth::no : truth::unknown;
        default: {
            const bool apart = *below < 0 || *above > 0;
            const bool same = *below == 0 && *above == 0;
            const truth equal = same ? truth::yes : apart ? truth::no : truth::unknown;
            return r == relation::equal ? equal : negation(equal);
        }
    }
}

truth relate(relation r, const reading& a, const reading& b) noexcept {
    if (a.state == standing::absent || b.state == standing::absent) return truth::no;
    if (a.state == standing::unknown || b.state == standing::unknown) return truth::unknown;
    if (a.range || b.range) return relate_ranges(r, a, b);
    const auto order = compare(a.low, b.low);
    return order && holds(r, *order) ? truth::yes : truth::no;
}

class evaluator {
public:
    evaluator(const expression& e, const match_subject& subject, match_scope& scope) noexcept
        : e_(e), look_(subject, scope), scope_(scope) {}

    truth judge(std::uint32_t index) noexcept {
        if (exhausted()) return truth::unknown;
        const node& n = e_.nodes[index];
        switch (n.what) {
            case node::kind::constant: return n.value ? truth::yes : truth::no;
            case node::kind::both: {
                truth t = truth::yes;
                for (std::uint32_t i = 0; i < n.count && t != truth::no; ++i)
                    t = conjunction(t, judge(e_.links[n.first + i]));
                return t;
            }
            case node::kind::either: {
                truth t = truth::no;
                for (std::uint32_t i = 0; i < n.count && t != truth::yes; ++i)
                    t = disjunction(t, judge(e_.links[n.first + i]));
                return t;
            }
            case node::kind::negate: return negation(judge(n.first));
            case node::kind::compare: return relate(n.rel, value_of(n.left), value_of(n.right));
            case node::kind::in: return contained(n);
            case node::kind::holds: {
                const reading r = read_path(e_.paths[n.first]);
                if (r.state == standing::unknown) return truth::unknown;
                return r.state == standing::known && r.low.kind == scalar_kind::boolean && r.low.boolean ? truth::yes
                                                                                                         : truth::no;
            }
            case node::kind::any:
            case node::kind::all: return quantified(n);
            case node::kind::known:
            case node::kind::present: return inquire(n);
        }
        return truth::unknown;
    }

private:
    bool exhausted() noexcept { return ++steps_ > k_max_steps; }

    reading read_path(const path& p) noexcept {
        const sighting s = look_.look(p);
        if (s.state != standing::known) return {s.state};
        scalar v;
        if (s.label) {
            v.kind = scalar_kind::text;
            v.text = *s.label;
        } else {
            v = to_scalar(s.value);
        }
        return read(v);
    }

    reading value_of(const operand& o) noexcept {
        switch (o.what) {
            case operand::kind::literal: return read(e_.literals[o.index].get());
            case operand::kind::path: return read_path(e_.paths[o.index]);
            case operand::kind::count_of: {
                const list_view l = look_.list(e_.paths[o.index]);
                if (l.state == standing::unknown) return {};
                return l.wrong_shape ? read(scalar{}) : counted(l.size, l.size);
            }
            case operand::kind::count_matching: return count(e_.quantifiers[o.index]);
            default: return {};
        }
    }
    static reading counted(std::uint32_t low, std::uint32_t high) noexcept {
        reading r;
        r.state = standing::known;
        r.low.kind = r.high.kind = scalar_kind::integer;
        r.low.integer = low;
        r.high.integer = high;
        r.range = low != high;
        return r;
    }

    reading count(const quantifier& q) noexcept {
        const list_view l = look_.list(e_.paths[q.list]);
        if (l.state == standing::unknown) return {};
        if (l.wrong_shape) return read(scalar{});
        std::uint32_t yes = 0, unknown = 0;
        for (list_walk walk(l); walk.more();) {
            if (exhausted()) return {};
            const truth t = judge_element(q, walk.next());
            yes += t == truth::yes;
            unknown += t == truth::unknown;
        }
        return counted(yes, yes + unknown);
    }

    truth judge_element(const quantifier& q, const element& e) noexcept {
        look_.variables[scopes_++] = e;
        const truth t = judge(q.body);
        --scopes_;
        return t;
    }

    /// An absent list is an empty one, so that all(..) and !any(..) agree.
    truth quantified(const node& n) noexcept {
        const quantifier& q = e_.quantifiers[n.first];
        const bool any = n.what == node::kind::any;
        const list_view l = look_.list(e_.paths[q.list]);
        if (l.state == standing::unknown) return truth::unknown;
        if (l.wrong_shape) return truth::no;
        const truth decisive = any ? truth::yes : truth::no;
        truth t = negation(decisive);
        for (list_walk walk(l); walk.more() && t != decisive;) {
            if (exhausted()) return truth::unknown;
            const truth one = judge_element(q, walk.next());
            t = any ? disjunction(t, one) : conjunction(t, one);
        }
        return t;
    }

    truth contained(const node& n) noexcept {
        const reading left = value_of(n.left);
        if (left.state == standing::absent) return truth::no;
        truth t = truth::no;
        if (n.right.what == operand::kind::list) {
            for (std::uint32_t i = 0; i < n.right.count && t != truth::yes; ++i)
                t = disjunction(t, relate(relation::equal, left, read(e_.literals[e_.links[n.right.index + i]].get())));
            return t;
        }
        const list_view l = look_.list(e_.paths[n.right.index]);
        if (l.state == standing::unknown) return truth::unknown;
        if (!l.items) return truth::no;
        for (list_walk walk(l); walk.more() && t != truth::yes;) {
            if (exhausted()) return truth::unknown;
            t = disjunction(t, relate(relation::equal, left, read(to_scalar(walk.next().value))));
        }
        return t;
    }

    /// known and present are never unknown, except where only a part of the facts may be looked at.
    truth inquire(const node& n) noexcept {
        const path& p = e_.paths[n.first];
        const bool hidden_before = scope_.hidden;
        scope_.hidden = false;
        sighting s = look_.look(p);
        if (s.state == standing::unknown && !scope_.hidden && p.from == path::root::fact && p.steps.empty())
            s.state = look_.list(p).state;
        const bool hidden = scope_.hidden;
        scope_.hidden = hidden || hidden_before;
        if (hidden) return truth::unknown;
        const bool known = n.what == node::kind::known;
        return s.state == standing::known || (known && s.state == standing::absent) ? truth::yes : truth::no;
    }

    const expression& e_;
    observer look_;
    match_scope& scope_;
    std::uint32_t steps_ = 0;
    std::uint8_t scopes_ = 0;
};

}  // namespace

truth evaluate(const expression& e, std::uint32_t node, const match_subject& subject, match_scope& scope) noexcept {
    return evaluator(e, subject, scope).judge(node);
}

}  // namespace sigrun::expr

// The labels that a machine needs, as far as a requirement names them one by one: what a fleet manager can give to a new one.
#include "kernel/select/requirement_impl.hpp"

namespace sigrun {

std::vector<std::pair<std::string, std::string>> requirement::asked_labels() const {
    using expr::node, expr::operand, expr::path;
    const expr::expression& e = impl_->e;
    std::vector<std::pair<std::string, std::string>> out;
    for (const std::uint32_t index : impl_->term_nodes) {
        const node& n = e.nodes[index];
        if (n.what != node::kind::compare || n.rel != expr::relation::equal) continue;
        for (const auto& [one, other] : {std::pair(&n.left, &n.right), std::pair(&n.right, &n.left)}) {
            if (one->what != operand::kind::path || other->what != operand::kind::literal) continue;
            const path& p = e.paths[one->index];
            const expr::literal& value = e.literals[other->index];
            if (p.from == path::root::label && value.value.kind == expr::scalar_kind::text)
                out.emplace_back(p.base, value.text);
        }
    }
    return out;
}

}  // namespace sigrun

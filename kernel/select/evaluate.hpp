// Judges an expression against one machine in three-valued logic. Allocates nothing.
#pragma once

#include "kernel/select/expression.hpp"
#include "kernel/select/requirement.hpp"

namespace sigrun::expr {

/// Steps a single match may take; only nested any/all/count over long lists come near it. Beyond it: unknown.
constexpr std::uint32_t k_max_steps = 200'000;

truth evaluate(const expression& e, std::uint32_t node, const match_subject& subject, match_scope& scope) noexcept;

inline truth negation(truth t) noexcept { return t == truth::unknown ? t : t == truth::yes ? truth::no : truth::yes; }

}  // namespace sigrun::expr

// What a compiled requirement is made of. For requirement.cpp and shortfall.cpp.
#pragma once

#include "kernel/select/expression.hpp"
#include "kernel/select/requirement.hpp"

#include <optional>

namespace sigrun {

struct requirement::impl {
    expr::expression e;
    std::string text, canonical;
    std::array<std::uint64_t, 2> key{};
    std::vector<term> terms;
    std::vector<std::uint32_t> term_nodes;
    std::vector<std::vector<std::string>> term_keys, term_labels;
    std::vector<std::string> keys;

    /// Of a term that does not hold.
    shortfall shortfall_of(std::size_t i, const match_subject& subject, truth known,
                           std::optional<double> nearer_than) const;
};

}  // namespace sigrun

// What a compiled requirement is made of. For requirement.cpp and shortfall.cpp.
#pragma once

#include "kernel/select/expression.hpp"
#include "kernel/select/requirement.hpp"

namespace sigrun {

struct requirement::impl {
    expr::expression e;
    std::string canonical;
    std::array<std::uint64_t, 2> key{};
    std::vector<term> terms;
    std::vector<std::uint32_t> term_nodes;
    std::vector<std::string> keys;
};

}  // namespace sigrun

// Comparing values: numbers exactly across their kinds, versions part by part. No allocation.
#pragma once

#include "kernel/capability/packed_value.hpp"
#include "kernel/select/expression.hpp"

#include <compare>
#include <optional>

namespace sigrun::expr {

/// Kind `none` for lists, records and null.
scalar to_scalar(packed_value v) noexcept;
/// Nothing if the two cannot be compared.
std::optional<std::partial_ordering> compare(const scalar& a, const scalar& b) noexcept;
/// "24.0.7-ce" against "24.1": leading numbers part by part, missing parts are 0, a suffix is ignored.
/// Nothing if a text does not begin with a number (after an optional v).
std::optional<std::strong_ordering> compare_versions(std::string_view a, std::string_view b) noexcept;
bool holds(relation r, std::partial_ordering o) noexcept;

}  // namespace sigrun::expr

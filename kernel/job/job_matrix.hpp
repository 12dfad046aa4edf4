// The matrix of a job in a submission: which combinations of values there are, and what a job becomes for one of them. Pure.
#pragma once

#include "kernel/base/json.hpp"

#include <string>
#include <utility>
#include <vector>

namespace sigrun {

/// Names and values, in the order of the matrix.
using matrix_row = std::vector<std::pair<std::string, std::string>>;

/// `matrix` is an object of arrays of texts, numbers or booleans, `exclude` an array of objects that name some of its values, or
/// null. Those that no member of `exclude` fits; at least one. `field` is what problems name in front of "matrix".
result<std::vector<matrix_row>> matrix_rows(const json::value& matrix, const json::value* exclude,
                                            const std::string& field);
/// "build (cc=gcc, os=a)"
std::string row_name(const std::string& job, const matrix_row& row);
/// Every {matrix.NAME} in the texts of `v` becomes its value; names of members stay. A NAME that the matrix does not have is a
/// problem with `field`.
result<json::value> with_row(const json::value& v, const matrix_row& row, const std::string& field);

}  // namespace sigrun

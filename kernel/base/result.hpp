// result<T>: a value or a problem. boost::system::result, as Asio and Boost.JSON use it, with our error type.
#pragma once

#include "kernel/base/problem.hpp"

#include <boost/assert/source_location.hpp>
#include <boost/system/result.hpp>

#include <stdexcept>

namespace sigrun {

template <class T>
using result = boost::system::result<T, problem>;

/// Thrown by value() on an error; for start-up code and tests.
class problem_error : public std::runtime_error {
public:
    explicit problem_error(problem p) : std::runtime_error(p.text()), problem_(std::move(p)) {}
    const problem& what_happened() const noexcept { return problem_; }

private:
    problem problem_;
};
[[noreturn]] inline void throw_exception_from_error(const problem& p, const boost::source_location&) {
    throw problem_error(p);
}

}  // namespace sigrun

/// Declares `var` from a result expression, or returns its problem from the enclosing function.
#define SIGRUN_TRY(var, expr)                       \
    auto var##_result = (expr);                     \
    if (!var##_result) return var##_result.error(); \
    auto& var = *var##_result
/// The same for result<void>.
#define SIGRUN_CHECK_OK(expr) \
    if (auto check_result = (expr); !check_result) return check_result.error()

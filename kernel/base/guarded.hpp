// For work that somebody waits for: an exception must become its outcome, or the waiting never ends.
#pragma once

#include "kernel/base/result.hpp"

#include <exception>
#include <string>
#include <type_traits>

namespace sigrun {

/// What `body` returns, a result; what it throws, as a problem.
template <class Body>
std::invoke_result_t<Body> guarded(Body&& body) {
    try {
        return body();
    } catch (const problem_error& e) {
        return e.what_happened();
    } catch (const std::exception& e) {
        return make_problem(errc::internal, std::string("an unforeseen failure: ") + e.what());
    }
}

}  // namespace sigrun

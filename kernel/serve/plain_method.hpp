// The commonest form of a method: some params, one answer.
#pragma once

#include "kernel/serve/router.hpp"

#include <initializer_list>
#include <utility>

namespace sigrun {

/// Bad params are an answer of their own; otherwise `body(params, input, call)` makes the answer.
template <class Body>
method_fn plain(std::initializer_list<std::string_view> params, Body body) {
    // The list's array ends with this statement.
    const std::array<std::string_view, 3> names{params.size() > 0 ? params.begin()[0] : "",
                                                params.size() > 1 ? params.begin()[1] : "",
                                                params.size() > 2 ? params.begin()[2] : ""};
    return [names, n = params.size(), body = std::move(body)](const call_input& in, const call_ptr& call) {
        auto o = n == 0   ? parse_params(in.params, {})
                 : n == 1 ? parse_params(in.params, {names[0]})
                 : n == 2 ? parse_params(in.params, {names[0], names[1]})
                          : parse_params(in.params, {names[0], names[1], names[2]});
        if (!o) return void(call->fail(o.error()));
        body(*o, in, call);
    };
}

}  // namespace sigrun

// How a command ends early: thrown inside the CLI, printed once in main.
#pragma once

#include "kernel/base/result.hpp"

#include <stdexcept>
#include <string>

namespace sigrun::cli {

class failure : public std::runtime_error {
public:
    enum class source { answer, transport, interrupt };
    /// `hint`: what to do next, a line of its own under the message.
    explicit failure(problem what, std::string hint = {}, source from = source::answer)
        : std::runtime_error(what.text()), what_(std::move(what)), hint_(std::move(hint)), from_(from) {}
    const problem& what_happened() const noexcept { return what_; }
    const std::string& hint() const noexcept { return hint_; }
    source from() const noexcept { return from_; }
    /// For every command but `run`, and for `run` and `submit --wait`.
    int exit_code() const noexcept;
    int run_exit_code() const noexcept;

private:
    problem what_;
    std::string hint_;
    source from_;
};

/// The value, or the failure thrown.
template <class Result>
auto need(Result&& outcome, const std::string& hint = {}) {
    if (!outcome) throw failure(outcome.error(), hint);
    return std::move(*outcome);
}

/// The same for an outcome without a value.
inline void need(result<void>&& outcome, const std::string& hint = {}) {
    if (!outcome) throw failure(outcome.error(), hint);
}

}  // namespace sigrun::cli

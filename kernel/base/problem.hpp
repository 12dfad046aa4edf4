// What went wrong, for people and for programs. The error side of every result in the kernel.
#pragma once

#include <sigrun/base.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace sigrun {

/// Stable codes; protocols map them to their own numbers (HTTP status, gRPC code).
enum class errc : std::uint8_t {
    invalid,        // a value is wrong: field, expected, found
    unknown_field,  // a field nobody knows
    not_found,
    conflict,  // exists already, or the state forbids it
    unauthenticated,
    forbidden,
    too_large,
    busy,  // a bounded queue is full; retry_after_ms
    timeout,
    cancelled,
    unsupported,
    unavailable,  // a part that is needed is not there (store, plugin, runner)
    io,
    internal,
};
std::string_view to_string(errc code) noexcept;

struct problem {
    errc code = errc::internal;
    std::string message;  // one sentence
    std::string field{};  // what it is about, e.g. "timeouts.run"
    std::string expected{};
    std::string found{};
    std::uint32_t retry_after_ms = 0;

    /// "timeouts.run: expected a duration such as 30s, found \"abc\"", "id: no such job (expected .., found ..)", or the
    /// plain message.
    std::string text() const;
    /// RFC 9457 document: {"code","title","detail","field","expected","found","retry_after_ms"}.
    std::string to_json() const;
    /// Reads what to_json wrote; anything else becomes errc::internal with the text as message.
    static problem from_json(std::string_view text);
    /// From an ABI result and the text that came with it.
    static problem from_abi(sigrun_result result, std::string_view text);
    sigrun_result to_abi() const noexcept;
};

/// problem{code, message} without the optional parts.
inline problem make_problem(errc code, std::string message) { return {code, std::move(message)}; }
/// What is asked of a program that ends.
inline problem program_stopping() { return make_problem(errc::cancelled, "the program is stopping"); }
/// The usual complaint about a value.
inline problem bad_value(std::string field, std::string expected, std::string found) {
    return {errc::invalid, "wrong value", std::move(field), std::move(expected), std::move(found)};
}

}  // namespace sigrun

// sigrun/cpp/problem.hpp: problem documents (the JSON that errors of methods are). Pure.
#pragma once

#include <sigrun/base.h>
#include <sigrun/cpp/json_text.hpp>
#include <sigrun/cpp/mismatch.hpp>

#include <string>
#include <string_view>

namespace sigrun::sdk {

/// A problem that a protocol found by itself.
struct problem {
    std::string_view code;  // invalid, not_found ...: the kernel's stable words
    std::string title;
    std::string field{};
    std::string expected{};
    std::string found{};
};

inline std::string to_json(const problem& p) {
    json_members m;
    m.text("code", p.code);
    m.text("title", p.title);
    if (!p.field.empty()) m.text("field", p.field);
    if (!p.expected.empty()) m.text("expected", p.expected);
    if (!p.found.empty()) m.text("found", p.found);
    return m.finish();
}

/// Code invalid. A mismatch that names no field is one of `otherwise`.
inline problem problem_of(const mismatch& why, std::string_view otherwise) {
    return {"invalid", "wrong value", why.field.empty() ? std::string(otherwise) : why.field, why.expected, why.found};
}

/// The code for an ABI result.
inline std::string_view code_of_result(sigrun_result result) noexcept {
    switch (result) {
        case SIGRUN_E_INVALID:
        case SIGRUN_E_CONFIG: return "invalid";
        case SIGRUN_E_UNSUPPORTED: return "unsupported";
        case SIGRUN_E_BUSY: return "busy";
        case SIGRUN_E_TIMEOUT: return "timeout";
        case SIGRUN_E_CANCELLED: return "cancelled";
        case SIGRUN_E_NOMEM: return "unavailable";
        case SIGRUN_E_IO: return "io";
        case SIGRUN_E_NOT_FOUND: return "not_found";
        case SIGRUN_E_DENIED: return "forbidden";
        case SIGRUN_E_FENCED:
        case SIGRUN_E_EXISTS: return "conflict";
        default: return "internal";
    }
}

}  // namespace sigrun::sdk

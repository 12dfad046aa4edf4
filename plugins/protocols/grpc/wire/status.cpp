#include "wire/status.hpp"

#include <array>

namespace sigrun::grpc {
namespace {

struct row {
    std::string_view problem;
    code status;
};
// Where two words share a status, the first is the one a status is turned into.
constexpr std::array<row, 14> k_rows{{{"invalid", code::invalid_argument},
                                      {"unknown_field", code::invalid_argument},
                                      {"unauthenticated", code::unauthenticated},
                                      {"forbidden", code::permission_denied},
                                      {"not_found", code::not_found},
                                      {"conflict", code::failed_precondition},
                                      {"cancelled", code::cancelled},
                                      {"busy", code::resource_exhausted},
                                      {"too_large", code::resource_exhausted},
                                      {"unsupported", code::unimplemented},
                                      {"unavailable", code::unavailable},
                                      {"timeout", code::deadline_exceeded},
                                      {"io", code::unavailable},
                                      {"internal", code::internal}}};

constexpr std::array<std::string_view, 17> k_names{
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};

}  // namespace

code code_of_problem(std::string_view problem_code) noexcept {
    for (const auto& r : k_rows)
        if (r.problem == problem_code) return r.status;
    return code::unknown;
}

std::string_view problem_code_of(code c) noexcept {
    for (const auto& r : k_rows)
        if (r.status == c) return r.problem;
    return "internal";
}

std::string_view problem_code_of(sigrun_result result) noexcept {
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

sigrun_result result_of(code c) noexcept {
    switch (c) {
        case code::ok: return SIGRUN_OK;
        case code::cancelled: return SIGRUN_E_CANCELLED;
        case code::invalid_argument:
        case code::out_of_range: return SIGRUN_E_INVALID;
        case code::deadline_exceeded: return SIGRUN_E_TIMEOUT;
        case code::not_found: return SIGRUN_E_NOT_FOUND;
        case code::already_exists:
        case code::failed_precondition: return SIGRUN_E_EXISTS;
        case code::permission_denied:
        case code::unauthenticated: return SIGRUN_E_DENIED;
        case code::resource_exhausted: return SIGRUN_E_BUSY;
        case code::unimplemented: return SIGRUN_E_UNSUPPORTED;
        default: return SIGRUN_E_IO;
    }
}

std::string_view name_of(code c) noexcept {
    const auto i = static_cast<std::size_t>(c);
    return i < k_names.size() ? k_names[i] : "UNKNOWN";
}

}  // namespace sigrun::grpc

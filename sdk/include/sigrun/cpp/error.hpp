// sigrun/cpp/error.hpp: exceptions on the plugin's side, results and text at the border.
#pragma once

#include <sigrun/base.h>
#include <sigrun/cpp/text.hpp>

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>
#include <string>

namespace sigrun::sdk {

/// Thrown inside a plugin; guarded() turns it into a result with text.
class failure : public std::exception {
public:
    failure(sigrun_result code, std::string text) : code_(code), text_(std::move(text)) {}
    const char* what() const noexcept override { return text_.c_str(); }
    sigrun_result code() const noexcept { return code_; }

private:
    sigrun_result code_;
    std::string text_;
};

/// Writes code and text to `error` (may be null) and returns the code.
inline sigrun_result report(sigrun_error* error, sigrun_result code, std::string_view text) noexcept {
    if (!error) return code;
    error->code = code;
    auto n = std::min<std::size_t>(text.size(), error->msg ? error->msg_cap : 0);
    if (n) std::memcpy(error->msg, text.data(), n);
    error->msg_len = static_cast<std::uint32_t>(n);
    return code;
}

/// Runs `body` (returning sigrun_result or void) and lets no exception out.
template <class Body>
sigrun_result guarded(sigrun_error* error, Body&& body) noexcept {
    try {
        if constexpr (std::is_void_v<decltype(body())>) {
            body();
            return SIGRUN_OK;
        } else {
            return body();
        }
    } catch (const failure& f) {
        return report(error, f.code(), f.what());
    } catch (const std::bad_alloc&) {
        return report(error, SIGRUN_E_NOMEM, "out of memory");
    } catch (const std::exception& e) {
        return report(error, SIGRUN_E_INTERNAL, e.what());
    } catch (...) {
        return report(error, SIGRUN_E_INTERNAL, "unknown exception");
    }
}

/// A sigrun_error with its own room; for calling slots.
struct error_text {
    char room[1024];
    sigrun_error abi{sizeof(sigrun_error), 0, 0, sizeof room, 0, 0, room};

    error_text() = default;
    error_text(const error_text&) = delete;
    error_text& operator=(const error_text&) = delete;
    std::string_view text() const noexcept { return {room, abi.msg_len}; }
};

}  // namespace sigrun::sdk

// Functions of the C library that this program defines itself, so that it sees who calls them. Not in sanitized builds,
// where they belong to the sanitizer.
#pragma once

#include <cstdint>
#include <string>

namespace sigrun::check {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool k_sanitized = true;
#else
inline constexpr bool k_sanitized = false;
#endif

/// Calls of malloc and its kin on this thread since it began to count. Negative: not known in this build.
class allocation_count {
public:
    allocation_count() noexcept;
    ~allocation_count();
    allocation_count(const allocation_count&) = delete;
    allocation_count& operator=(const allocation_count&) = delete;
    std::int64_t seen() const noexcept;
};

/// From here on atexit and on_exit are noticed.
void watch_exit_handlers() noexcept;
/// "atexit", "on_exit" or empty.
std::string exit_handlers_seen();

}  // namespace sigrun::check

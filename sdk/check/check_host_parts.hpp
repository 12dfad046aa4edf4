// What check_host's two source files share.
#pragma once

#include "check_host.hpp"

#include <string>
#include <string_view>

namespace sigrun::check {

struct thread_state {
    tag as = tag::foreign;
    std::string_view slot;
    bool inside = false;  // a reentry runs on this stack
};
extern thread_local thread_state t_thread;

/// Records are kept to the end, so that a use after the last release is seen and not undefined.
struct check_host::buffer {
    check_host* owner;
    std::unique_ptr<char[]> bytes;
    std::uint64_t capacity = 0, length = 0;
    std::atomic<std::int64_t> references{1};

    static buffer* of(sigrun_buf* buf) noexcept { return reinterpret_cast<buffer*>(buf); }
};

}  // namespace sigrun::check

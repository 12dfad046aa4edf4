// Who called whom at the moment of a fatal signal. Everything here runs inside the handler: no lock of ours, no allocation,
// and a damaged stack ends the walk instead of the process.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sigrun {

/// Where the thread was: from the ucontext of the handler.
struct fault_point {
    std::uintptr_t pc = 0;
    std::uintptr_t sp = 0;
    std::uintptr_t link = 0;  // the return address where the machine keeps it in a register, else 0
};
fault_point fault_point_of(const void* ucontext) noexcept;

/// Code addresses from the fault outwards; the first is the pc, the others lie inside the calls that have not returned. The
/// unwinder finds them; where it cannot (a jump to nowhere, a stack without tables) the stack is read for return addresses.
/// One thread at a time.
struct walked_stack {
    static constexpr std::size_t k_max = 128;
    std::uintptr_t at[k_max] = {};
    std::size_t size = 0;
    bool guessed = false;  // read from the stack, not unwound
};
void walk_stack(const fault_point& from, walked_stack& out) noexcept;

/// Once before the first walk: the unwinder sets itself up on its first use, which must not happen in a handler.
void prime_stack_walk() noexcept;
/// From a handler that was entered while walk_stack runs on this thread: does not return, the walk ends there. Otherwise does
/// nothing.
void abandon_stack_walk() noexcept;

}  // namespace sigrun

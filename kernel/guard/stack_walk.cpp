#include "kernel/guard/stack_walk.hpp"

#include "kernel/guard/code_map.hpp"

#include <setjmp.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include <cstring>

namespace sigrun {
namespace {

constexpr std::size_t k_scanned_bytes = 64 * 1024;

sigjmp_buf g_way_out;
volatile bool g_walking = false;

// Reads memory of this process that may not be there.
bool peek(std::uintptr_t from, void* to, std::size_t n) noexcept {
    iovec here{to, n};
    iovec there{reinterpret_cast<void*>(from), n};
    return ::process_vm_readv(::getpid(), &here, 1, &there, 1, 0) == static_cast<ssize_t>(n);
}

struct unwinding {
    walked_stack& out;
    std::uintptr_t pc;
    bool found;  // the frame that faulted; what lies inside it is the handler's own
};

_Unwind_Reason_Code on_frame(_Unwind_Context* context, void* arg) {
    auto& walk = *static_cast<unwinding*>(arg);
    int exact = 0;
    const auto ip = static_cast<std::uintptr_t>(_Unwind_GetIPInfo(context, &exact));
    if (!ip) return _URC_END_OF_STACK;
    if (!walk.found) {
        walk.found = ip == walk.pc;
        return _URC_NO_REASON;
    }
    // A return address may be the first one behind its function, when the call was the function's last instruction.
    if (walk.out.size < walked_stack::k_max) walk.out.at[walk.out.size++] = exact ? ip : ip - 1;
    return walk.out.size < walked_stack::k_max ? _URC_NO_REASON : _URC_END_OF_STACK;
}

// Is there a call in front of this address? Weeds out the words of a stack that only look like code.
bool follows_a_call(std::uintptr_t address) noexcept {
#if defined(__x86_64__)
    unsigned char before[7];
    if (!peek(address - sizeof before, before, sizeof before)) return false;
    if (before[2] == 0xe8) return true;  // call rel32
    // call r/m: opcode ff /2, two to seven bytes long
    for (std::size_t length : {2u, 3u, 4u, 6u, 7u})
        if (before[7 - length] == 0xff && (before[8 - length] & 0x38) == 0x10) return true;
    return false;
#else
    (void)address;
    return true;
#endif
}

bool is_return_address(std::uintptr_t word) noexcept {
    code_place where;
    return find_code(word - 1, where) && follows_a_call(word);
}

void scan(std::uintptr_t sp, walked_stack& out) noexcept {
    out.guessed = true;
    std::uintptr_t words[64];
    for (std::size_t done = 0; done < k_scanned_bytes && out.size < walked_stack::k_max; done += sizeof words) {
        if (!peek(sp + done, words, sizeof words)) return;
        for (std::uintptr_t word : words)
            if (out.size < walked_stack::k_max && is_return_address(word)) out.at[out.size++] = word - 1;
    }
}

}  // namespace

fault_point fault_point_of(const void* ucontext) noexcept {
    const auto& machine = static_cast<const ucontext_t*>(ucontext)->uc_mcontext;
#if defined(__x86_64__)
    return {static_cast<std::uintptr_t>(machine.gregs[REG_RIP]), static_cast<std::uintptr_t>(machine.gregs[REG_RSP]),
            0};
#elif defined(__aarch64__)
    return {static_cast<std::uintptr_t>(machine.pc), static_cast<std::uintptr_t>(machine.sp),
            static_cast<std::uintptr_t>(machine.regs[30])};
#else
#error "the registers of this machine are not known here"
#endif
}

void walk_stack(const fault_point& from, walked_stack& out) noexcept {
    out.size = 0;
    out.guessed = false;
    out.at[out.size++] = from.pc;
    code_place where;
    if (find_code(from.pc, where)) {
        g_walking = true;
        if (sigsetjmp(g_way_out, 0) == 0) {
            unwinding walk{out, from.pc, false};
            _Unwind_Backtrace(&on_frame, &walk);
        }
        g_walking = false;
        if (out.size > 1) return;
    } else if (from.link && is_return_address(from.link)) {
        out.at[out.size++] = from.link - 1;
    }
    // A call to nowhere left its return address on top of the stack, which is where the scan begins.
    scan(from.sp & ~(sizeof(std::uintptr_t) - 1), out);
}

void prime_stack_walk() noexcept {
    walked_stack nowhere;
    unwinding walk{nowhere, 0, false};
    _Unwind_Backtrace(&on_frame, &walk);
}

void abandon_stack_walk() noexcept {
    if (g_walking) siglongjmp(g_way_out, 1);
}

}  // namespace sigrun

#include "clone_sharing.hpp"

#include <sched.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace sigrun::shim {

// A sanitizer's notes on the stack would be those of two processes.
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

pid_t clone_sharing(clone_args how, void (*child)(void*), void* what) {
    // Right below this frame, where earlier calls have touched the pages already.
    alignas(16) std::byte stack[k_shared_stack];
    how.flags |= CLONE_VM | CLONE_VFORK;
    how.stack = reinterpret_cast<std::uint64_t>(stack);
    how.stack_size = sizeof stack;
    long result = SYS_clone3;
    // These two are the kernel's to keep.
    register auto function asm("r8") = child;
    register auto argument asm("r9") = what;
    // The child never comes back to compiled code of this frame: what the compiler keeps in it is the parent's.
    asm volatile(
        "syscall\n\t"
        "test %%rax, %%rax\n\t"
        "jnz 1f\n\t"
        "xor %%ebp, %%ebp\n\t"
        "mov %%r9, %%rdi\n\t"
        "call *%%r8\n\t"
        "ud2\n"
        "1:"
        : "+a"(result)
        : "D"(&how), "S"(sizeof how), "r"(function), "r"(argument)
        : "rcx", "r11", "cc", "memory");
    if (result >= 0) return static_cast<pid_t>(result);
    errno = static_cast<int>(-result);
    return -1;
}

#else

pid_t clone_sharing(clone_args, void (*)(void*), void*) {
    errno = ENOSYS;
    return -1;
}

#endif

}  // namespace sigrun::shim

// The live machine's answers.
#include "virt_probe.hpp"

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

namespace sigrun::virt {

machine_calls live_calls() {
    machine_calls calls;
#if defined(__x86_64__) || defined(__i386__)
    calls.cpuid = [](std::uint32_t leaf) {
        cpuid_regs r;
        __cpuid(leaf, r.eax, r.ebx, r.ecx, r.edx);
        return r;
    };
#endif
    return calls;
}

}  // namespace sigrun::virt

// The live machine's answers.
#include "cpu_probe.hpp"

#include <sched.h>
#include <unistd.h>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

namespace sigrun::cpu {
namespace {

std::optional<sdk::cpu_set> process_affinity() {
    // The kernel refuses a mask that is too small for the machine, so the room grows until it fits.
    for (std::size_t cpus = 1024; cpus <= sdk::cpu_set::k_limit; cpus *= 4) {
        cpu_set_t* mask = CPU_ALLOC(cpus);
        if (!mask) return std::nullopt;
        const std::size_t size = CPU_ALLOC_SIZE(cpus);
        CPU_ZERO_S(size, mask);
        const int rc = ::sched_getaffinity(::getpid(), size, mask);
        const int error = errno;
        std::optional<sdk::cpu_set> set;
        if (rc == 0) {
            set.emplace();
            for (std::size_t i = 0; i < cpus; ++i)
                if (CPU_ISSET_S(i, size, mask)) set->add(i);
        }
        CPU_FREE(mask);
        if (set || error != EINVAL) return set;
    }
    return std::nullopt;
}

}  // namespace

machine_calls live_calls() {
    machine_calls calls;
    calls.affinity = process_affinity;
#if defined(__x86_64__) || defined(__i386__)
    calls.cpuid = [](std::uint32_t leaf, std::uint32_t subleaf) {
        cpuid_regs r;
        __cpuid_count(leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx);
        return r;
    };
    calls.xcr0 = [] {
        std::uint32_t low = 0, high = 0;
        __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        return std::uint64_t{high} << 32 | low;
    };
#endif
    return calls;
}

}  // namespace sigrun::cpu

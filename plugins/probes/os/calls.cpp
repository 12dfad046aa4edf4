// The live machine's answers.
#include "os_probe.hpp"

#include <sys/utsname.h>

#if defined(__GLIBC__)
#include <gnu/libc-version.h>
#endif

namespace sigrun::os {

machine_calls live_calls() {
    machine_calls calls;
    calls.machine = [] {
        utsname names{};
        return ::uname(&names) == 0 ? std::string(names.machine) : std::string();
    };
    calls.libc = []() -> std::optional<c_library> {
#if defined(__GLIBC__)
        return c_library{"glibc", gnu_get_libc_version()};
#else
        return std::nullopt;
#endif
    };
    return calls;
}

}  // namespace sigrun::os

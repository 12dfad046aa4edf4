// The live machine's answers.
#include "security_probe.hpp"

#include <sys/syscall.h>
#include <unistd.h>

namespace sigrun::security {

machine_calls live_calls() {
    machine_calls calls;
#ifdef SYS_landlock_create_ruleset
    calls.landlock = [] {
        constexpr unsigned k_version = 1;  // LANDLOCK_CREATE_RULESET_VERSION: only asks
        const long n = ::syscall(SYS_landlock_create_ruleset, nullptr, 0UL, k_version);
        return n < 0 ? landlock_answer{0, errno} : landlock_answer{static_cast<std::uint64_t>(n), 0};
    };
#endif
    calls.user_namespace = &try_user_namespace;
    return calls;
}

}  // namespace sigrun::security

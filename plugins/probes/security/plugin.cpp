#include "security_probe.hpp"

namespace {

using namespace sigrun;

security::machine_calls calls_for(const sdk::sysroot& root) {
    return root.live() ? security::live_calls() : security::machine_calls{};
}

struct security_probe {
    static constexpr std::string_view keys = "sec.*";
    static constexpr std::uint32_t flags = SIGRUN_PROBE_IN_PROCESS, soft_ms = 250, hard_ms = 1000;
    static void collect(const sdk::sysroot& root, sdk::probe_run& run) {
        security::collect(root, calls_for(root), run);
    }
};

// Apart, and not SIGRUN_PROBE_IN_PROCESS: it starts a child, and what delays that delays nothing else.
struct user_namespace_probe {
    static constexpr std::string_view keys = "sec.userns_works";
    static constexpr std::uint32_t flags = 0, soft_ms = 500, hard_ms = 1000;
    static void collect(const sdk::sysroot& root, sdk::probe_run& run) {
        security::try_user_namespaces(calls_for(root), run);
    }
};

}  // namespace

SIGRUN_PLUGIN("sigrun.security", "1.0.0", "Privileges, security modules, processor weaknesses, secure boot and TPM", 0,
              sigrun::sdk::component<sigrun::sdk::probe_component<security_probe>>(
                  "security", SIGRUN_KIND_PROBE, "Facts sec.* from procfs, sysfs and the Landlock version call"),
              sigrun::sdk::component<sigrun::sdk::probe_component<user_namespace_probe>>(
                  "user_namespaces", SIGRUN_KIND_PROBE, "Fact sec.userns_works: a user namespace made in a child"))

// A probe in C++: facts about the machine under @name@.*, read below the sysroot that the host names.
#include <sigrun/cpp/probe.hpp>
#include <sigrun/cpp/procfs.hpp>

namespace {

using namespace sigrun::sdk;

struct @name@_probe {
    static constexpr std::string_view keys = "@name@.*";
    static constexpr std::uint32_t flags = SIGRUN_PROBE_IN_PROCESS, soft_ms = 250, hard_ms = 1000;

    /// [work] May block until the deadline; long ones ask run.go_on() between their steps.
    static void collect(const sysroot& root, probe_run& run) {
        const file_text file = root.read("/proc/uptime");
        // What is not understood is an error, and what is not there is absent: never a default value.
        std::optional<std::uint64_t> seconds;
        const auto text = file.trim();
        std::uint64_t value = 0;
        if (std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc()) seconds = value;
        run.facts().parsed("@name@.uptime_s", seconds, file, {.volatility = "fast", .ttl_s = 5});
    }
};

}  // namespace

SIGRUN_PLUGIN("@id@", "1.0.0", "Facts under @name@.*", 0,
              sigrun::sdk::component<sigrun::sdk::probe_component<@name@_probe>>("@name@", SIGRUN_KIND_PROBE,
                                                                                 "Facts under @name@.*"))

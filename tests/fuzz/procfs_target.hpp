// Feeds one text to every parser of kernel and firmware texts, and checks what must hold for any input.
#pragma once

#include <sigrun/cpp/cgroup.hpp>
#include <sigrun/cpp/dmi.hpp>
#include <sigrun/cpp/fact_writer.hpp>
#include <sigrun/cpp/os_release.hpp>

#include <cstdlib>

namespace sigrun::sdk {

inline void must(bool holds) {
    if (!holds) std::abort();
}

inline void parse_everything(std::string_view text) {
    if (const auto set = parse_cpulist(text)) {
        const auto again = parse_cpulist(set->text());
        must(again && again->text() == set->text() && again->count() == set->count());
    }
    for (const auto& m : parse_mountinfo(text)) must(!m.type.empty());
    for (const auto& line : parse_proc_cgroup(text)) must(line.path.front() == '/');
    if (const auto ratio = pressure_some_avg10(text)) must(*ratio >= 0 && *ratio <= 1);
    if (const auto choice = bracketed(text)) must(!choice->empty());
    (void)meminfo_bytes(text, "MemTotal");
    (void)field(text, "model name");
    (void)parse_sysfs_size(text);
    (void)os_release_value(text, "ID");
    (void)parse_dmi_memory(text);
    const auto quoted = json_text(text);
    must(quoted.size() >= 2 && quoted.front() == '"' && quoted.back() == '"');
}

}  // namespace sigrun::sdk

// What the os probe reads, in three parts. Pure but for the files below the sysroot and the call table.
#pragma once

#include <sigrun/cpp/cgroup.hpp>
#include <sigrun/cpp/os_release.hpp>
#include <sigrun/cpp/probe.hpp>

#include <functional>
#include <unordered_map>

namespace sigrun::os {

struct c_library {
    std::string name, version;  // "glibc", "2.36"
};
/// What is not a file; an empty function does not exist here (a recorded tree).
struct machine_calls {
    std::function<std::string()> machine;  // uname: "x86_64"
    std::function<std::optional<c_library>()> libc;
};
machine_calls live_calls();

/// The configuration the running kernel was built with, from the first place that has it.
struct kernel_config {
    sdk::file_text file;                       // where from, or why there is none; without its text
    std::unordered_map<std::string, char> on;  // "KVM" -> 'y' built in, 'm' a module

    bool known() const noexcept { return !on.empty(); }
    /// 'y', 'm', or 'n' for not set. Ask only if known.
    char option(std::string_view name) const;
};
/// The options that are on in "CONFIG_A=y" lines.
std::unordered_map<std::string, char> parse_kernel_config(std::string_view text);
kernel_config read_kernel_config(const sdk::sysroot& root);
/// What a gzip file holds; nothing if it is none, is damaged or holds more than `limit` bytes.
std::optional<std::string> gunzip(std::string_view data, std::size_t limit);

void read_host(const sdk::sysroot& root, const machine_calls& calls, sdk::fact_writer& facts);
void read_os(const sdk::sysroot& root, const machine_calls& calls, sdk::fact_writer& facts);
void read_kernel(const sdk::sysroot& root, sdk::fact_writer& facts);

inline void collect(const sdk::sysroot& root, const machine_calls& calls, sdk::probe_run& run) {
    read_host(root, calls, run.facts());
    if (!run.go_on()) return;
    read_os(root, calls, run.facts());
    if (!run.go_on()) return;
    read_kernel(root, run.facts());
}

/// The text of a small file, or why there is none, as a fact.
inline void text_file(const sdk::sysroot& root, sdk::fact_writer& facts, std::string_view key, std::string_view path,
                      sdk::fact_info info = {}) {
    const auto file = root.read(path, 4096);
    facts.maybe(key, file && !file.trim().empty() ? std::optional(file.trim()) : std::nullopt, file, info);
}

}  // namespace sigrun::os

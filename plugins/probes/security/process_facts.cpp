// What this process may do: its user, capabilities and seccomp state. Jobs inherit it.
#include "security_probe.hpp"

namespace sigrun::security {
namespace {

using sdk::fact_info;

constexpr std::string_view k_names[] = {"chown",
                                        "dac_override",
                                        "dac_read_search",
                                        "fowner",
                                        "fsetid",
                                        "kill",
                                        "setgid",
                                        "setuid",
                                        "setpcap",
                                        "linux_immutable",
                                        "net_bind_service",
                                        "net_broadcast",
                                        "net_admin",
                                        "net_raw",
                                        "ipc_lock",
                                        "ipc_owner",
                                        "sys_module",
                                        "sys_rawio",
                                        "sys_chroot",
                                        "sys_ptrace",
                                        "sys_pacct",
                                        "sys_admin",
                                        "sys_boot",
                                        "sys_nice",
                                        "sys_resource",
                                        "sys_time",
                                        "sys_tty_config",
                                        "mknod",
                                        "lease",
                                        "audit_write",
                                        "audit_control",
                                        "setfcap",
                                        "mac_override",
                                        "mac_admin",
                                        "syslog",
                                        "wake_alarm",
                                        "block_suspend",
                                        "audit_read",
                                        "perfmon",
                                        "bpf",
                                        "checkpoint_restore"};

std::optional<std::uint64_t> hexadecimal(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    if (text.empty() || ec != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

}  // namespace

std::optional<std::vector<std::string>> capability_names(std::string_view mask) {
    const auto bits = hexadecimal(sdk::trimmed(mask));
    if (!bits) return std::nullopt;
    std::vector<std::string> names;
    for (std::size_t bit = 0; bit < 64; ++bit)
        if (*bits >> bit & 1)
            names.push_back("cap_" + (bit < std::size(k_names) ? std::string(k_names[bit]) : std::to_string(bit)));
    return names;
}

std::optional<std::vector<std::string>> name_list(std::string_view text, std::size_t limit) {
    std::vector<std::string> names;
    for (text = sdk::trimmed(text); !text.empty();) {
        const auto end = std::min(text.find_first_of(", \t\n"), text.size());
        const auto name = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (name.empty()) continue;
        const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
        });
        if (!plain || name.size() > 64 || names.size() == limit) return std::nullopt;
        names.emplace_back(name);
    }
    return names;
}

std::optional<bool> switch_of(std::string_view text) noexcept {
    text = sdk::trimmed(text);
    if (text == "1" || text == "Y" || text == "y") return true;
    if (text == "0" || text == "N" || text == "n") return false;
    return std::nullopt;
}

void read_process(const sdk::sysroot& root, sdk::fact_writer& facts) {
    const auto status = root.read("/proc/self/status", 64 * 1024);
    // The value of a line, by a rule; a line that is there and breaks the rule is an error.
    const auto line = [&](std::string_view key, std::string_view name, auto&& understood) {
        const auto text = sdk::field(status.text, name);
        if (!text) return facts.missing(key, status, {}, "this kernel does not say");
        facts.parsed(key, understood(*text), status, {});
    };
    line("sec.uid_root", "Uid", [](std::string_view text) -> std::optional<bool> {
        const auto ids = sdk::words(text);  // real, effective, saved, file system
        const auto effective = ids.size() == 4 ? sdk::parse_u64(ids[1]) : std::nullopt;
        return effective ? std::optional(*effective == 0) : std::nullopt;
    });
    line("sec.caps", "CapEff", capability_names);
    line("sec.no_new_privs", "NoNewPrivs", switch_of);
    line("sec.seccomp_mode", "Seccomp", [](std::string_view text) {
        const auto mode = sdk::parse_u64(text);
        return mode && *mode <= 2 ? mode : std::nullopt;
    });
    const auto actions = root.read("/proc/sys/kernel/seccomp/actions_avail", 4096);
    const auto names = name_list(actions.text, 64);
    facts.parsed("sec.seccomp_actions", names && !names->empty() ? names : std::nullopt, actions, {});
}

}  // namespace sigrun::security

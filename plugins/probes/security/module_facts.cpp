// Security modules of the kernel and its restrictions. A file system that is not mounted here (securityfs in most
// containers) says nothing about the kernel: "unsupported", never "no".
#include "security_probe.hpp"

#include <cerrno>

namespace sigrun::security {
namespace {

using sdk::fact_info;
using sdk::read_status;

/// A fact from securityfs; `value` counts only if the file could be read.
template <class T>
void from_securityfs(const sdk::sysroot& root, sdk::fact_writer& facts, std::string_view key,
                     const sdk::file_text& file, const std::optional<T>& value, const fact_info& info) {
    if (file) return facts.parsed(key, value, file, info);
    if (file.status != read_status::absent) return facts.missing(key, file, info, "");
    const bool mounted = !root.list("/sys/kernel/security").empty();
    facts.none(key, mounted ? "absent" : "unsupported",
               {.source = file.path, .detail = mounted ? "this kernel does not have it" : "securityfs is not visible"});
}

void apparmor(const sdk::sysroot& root, sdk::fact_writer& facts) {
    const auto file = root.read("/sys/module/apparmor/parameters/enabled", 64);
    if (file.status == read_status::absent && !root.list("/sys/module").empty())
        return facts.ok("sec.apparmor", false, {.source = "/sys/module", .method = "derived"});
    facts.parsed("sec.apparmor", switch_of(file.text), file, {});
}

void selinux(const sdk::sysroot& root, sdk::fact_writer& facts) {
    const auto enforce = root.read("/sys/fs/selinux/enforce", 64);
    const auto on = switch_of(enforce.text);
    if (enforce.status != read_status::absent)
        return facts.parsed("sec.selinux", on ? std::optional(*on ? "enforcing" : "permissive") : std::nullopt, enforce,
                            {.volatility = "slow"});
    // The kernel registers selinuxfs only while SELinux is in use.
    const auto types = root.read("/proc/filesystems", 64 * 1024);
    std::string_view rest = types.text, line;
    bool listed = false, any = false;
    while (sdk::next_line(rest, line)) {
        const auto w = sdk::words(line);
        any = any || !w.empty();
        listed = listed || (!w.empty() && w.back() == "selinuxfs");
    }
    if (types && any && !listed)
        return facts.ok("sec.selinux", "disabled", {.source = types.path, .method = "derived", .volatility = "slow"});
    if (listed)
        return facts.none(
            "sec.selinux", "unsupported",
            {.source = enforce.path, .volatility = "slow", .detail = "in use, but its mode is not visible"});
    facts.missing("sec.selinux", types, {.volatility = "slow"}, "no file system types");
}

void landlock(const machine_calls& calls, sdk::fact_writer& facts) {
    const fact_info info{.source = "landlock_create_ruleset"};
    auto why = [&](std::string_view status, std::string_view detail) {
        auto about = info;
        about.detail = detail;
        facts.none("sec.landlock_abi", status, about);
    };
    if (!calls.landlock) return why("absent", "not told by a file");
    const auto answer = calls.landlock();
    if (answer.error == 0 && answer.version > 0) return facts.ok("sec.landlock_abi", answer.version, info);
    if (answer.error == ENOSYS) return why("absent", "this kernel does not have it");
    if (answer.error == EOPNOTSUPP) return why("absent", "switched off at boot");
    why(answer.error ? sdk::fact_writer::word(sdk::status_of_errno(answer.error)) : std::string_view("error"),
        "the call was refused");
}

}  // namespace

void read_modules(const sdk::sysroot& root, const machine_calls& calls, sdk::fact_writer& facts) {
    const auto lsm = root.read("/sys/kernel/security/lsm", 4096);
    from_securityfs(root, facts, "sec.lsm", lsm, name_list(lsm.text, 64), {});
    const auto lockdown = root.read("/sys/kernel/security/lockdown", 256);
    from_securityfs(root, facts, "sec.lockdown", lockdown, sdk::bracketed(lockdown.text), {});
    apparmor(root, facts);
    selinux(root, facts);
    landlock(calls, facts);

    const auto yama = root.read("/proc/sys/kernel/yama/ptrace_scope", 64);
    const auto scope = sdk::parse_u64(yama.text);
    facts.parsed("sec.yama", scope && *scope <= 3 ? scope : std::nullopt, yama, {.volatility = "slow"});

    const auto fips = root.read("/proc/sys/crypto/fips_enabled", 64);
    if (fips.status == read_status::absent && root.probe("/proc/sys/kernel/osrelease") == read_status::ok)
        facts.ok("sec.fips", false, {.source = "/proc/sys/crypto", .method = "derived"});
    else
        facts.parsed("sec.fips", switch_of(fips.text), fips, {});
}

}  // namespace sigrun::security

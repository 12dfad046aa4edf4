#include "identity.hpp"

#include "private_view.hpp"

#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace sigrun::shim {
namespace {

// Landlock, as far as it was when the kernel's headers here may be older than the kernel (landlock(7)).
struct ruleset_attributes {
    std::uint64_t files;
};
struct [[gnu::packed]] path_attributes {
    std::uint64_t allowed;
    std::int32_t parent;
};
constexpr int k_path_beneath = 1;
constexpr unsigned k_ask_version = 1;
enum : std::uint64_t {
    k_execute = 1u << 0,
    k_write_file = 1u << 1,
    k_read_file = 1u << 2,
    k_read_dir = 1u << 3,
    k_first_version = (1u << 13) - 1,  // of version 1: all up to make_sym
    k_refer = 1u << 13,
    k_truncate = 1u << 14,
    k_ioctl_dev = 1u << 15
};

std::uint64_t rights_of(long version) {
    std::uint64_t all = k_first_version;
    if (version >= 2) all |= k_refer;
    if (version >= 3) all |= k_truncate;
    if (version >= 5) all |= k_ioctl_dev;
    return all;
}

int allow(int ruleset, const char* path, std::uint64_t rights, bool must_exist) {
    path_attributes rule{rights, ::open(path, O_PATH | O_CLOEXEC)};
    if (rule.parent < 0) return must_exist ? errno : 0;
    struct stat about {};
    if (::fstat(rule.parent, &about) == 0 && !S_ISDIR(about.st_mode))
        rule.allowed &= k_execute | k_write_file | k_read_file | k_truncate | k_ioctl_dev;
    int error = ::syscall(SYS_landlock_add_rule, ruleset, k_path_beneath, &rule, 0) == 0 ? 0 : errno;
    ::close(rule.parent);
    return error;
}

// What every program takes for granted; none of it is kept.
constexpr const char* k_devices[] = {"/dev/null", "/dev/zero",    "/dev/full", "/dev/random",
                                     "/dev/tty",  "/dev/urandom", "/dev/ptmx", "/dev/pts"};

int allow_all(int ruleset, const plan& what, std::uint64_t rights) {
    if (int error = allow(ruleset, "/", rights & (k_execute | k_read_file | k_read_dir), true)) return error;
    if (int error = allow(ruleset, what.workspace, rights, true)) return error;
    for (const char* path : what.writable)
        if (int error = allow(ruleset, path, rights, true)) return error;
    if (what.setting.what & SIGRUN_SHIM_PRIVATE_TMP)
        for (auto folder = k_private_folders; *folder; ++folder)
            if (int error = allow(ruleset, *folder, rights, false)) return error;
    for (const char* path : k_devices)
        if (int error = allow(ruleset, path, rights & (k_write_file | k_read_file | k_truncate | k_ioctl_dev), false))
            return error;
    return 0;
}

int leave_open(const plan& what) {
    int file = static_cast<int>(::syscall(SYS_memfd_create, "filter", MFD_CLOEXEC));
    if (file < 0) return errno;
    const auto bytes = what.setting.n_filter * sizeof(sock_filter);
    if (::write(file, what.filter, bytes) != static_cast<ssize_t>(bytes) || ::lseek(file, 0, SEEK_SET) != 0) return EIO;
    return ::dup2(file, SIGRUN_SHIM_FILTER_AT) < 0 ? errno : 0;
}

}  // namespace

int become_user(const plan& what) noexcept {
    const auto& s = what.setting;
    if (!(s.what & SIGRUN_SHIM_AS_USER)) return 0;
    // The raw calls: one thread, and the wrappers may ask others.
    if (::syscall(SYS_setgroups, s.n_groups, what.groups) != 0) return errno;
    if (::syscall(SYS_setresgid, s.gid, s.gid, s.gid) != 0) return errno;
    return ::syscall(SYS_setresuid, s.uid, s.uid, s.uid) == 0 ? 0 : errno;
}

int give_up_privileges(const plan& what) noexcept {
    if (!(what.setting.what & SIGRUN_SHIM_NO_NEW_PRIVS)) return 0;
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? 0 : errno;
}

int give_up_files(const plan& what) noexcept {
    if (!(what.setting.what & SIGRUN_SHIM_READ_ONLY)) return 0;
    const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, k_ask_version);
    if (version < 1) return errno;
    ruleset_attributes about{rights_of(version)};
    const int ruleset = static_cast<int>(::syscall(SYS_landlock_create_ruleset, &about, sizeof about, 0));
    if (ruleset < 0) return errno;
    int error = allow_all(ruleset, what, about.files);
    if (!error && ::syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) error = errno;
    ::close(ruleset);
    return error;
}

int take_filter(const plan& what) noexcept {
    if (what.setting.what & SIGRUN_SHIM_FILTER_FD) return leave_open(what);
    if (!(what.setting.what & SIGRUN_SHIM_FILTERED)) return 0;
    sock_fprog program{static_cast<unsigned short>(what.setting.n_filter),
                       const_cast<sock_filter*>(static_cast<const sock_filter*>(what.filter))};
    return ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 ? 0 : errno;
}

}  // namespace sigrun::shim

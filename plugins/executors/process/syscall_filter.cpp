#include "syscall_filter.hpp"

#include "descriptor.hpp"

#include <sigrun/cpp/text.hpp>

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#ifdef SIGRUN_HAVE_SECCOMP
#include <asm/ioctls.h>
#include <sched.h>
#include <seccomp.h>

#include <memory>
#endif

namespace sigrun::process {
namespace {

#ifdef SIGRUN_HAVE_SECCOMP
// By name: a call that this processor does not have is left out.
constexpr const char* k_denied[] = {
    // the kernel itself
    "bpf", "delete_module", "finit_module", "init_module", "kexec_file_load", "kexec_load", "perf_event_open", "reboot",
    "syslog", "iopl", "ioperm", "lookup_dcookie", "userfaultfd", "io_uring_setup", "io_uring_enter",
    "io_uring_register",
    // clocks and names of the machine
    "adjtimex", "clock_adjtime", "clock_settime", "settimeofday", "stime", "sethostname", "setdomainname", "acct",
    // mounts, swap, quotas
    "mount", "umount", "umount2", "pivot_root", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount", "fspick",
    "mount_setattr", "swapon", "swapoff", "quotactl", "quotactl_fd", "open_by_handle_at", "nfsservctl", "chroot",
    // name spaces; clone with their flags is below
    "setns", "unshare",
    // other processes, and keys that are shared between them
    "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd", "add_key", "request_key",
    "keyctl", "move_pages", "migrate_pages", "vhangup"};
constexpr std::uint64_t k_new_spaces[] = {CLONE_NEWNS,  CLONE_NEWPID,  CLONE_NEWNET,   CLONE_NEWIPC,
                                          CLONE_NEWUTS, CLONE_NEWUSER, CLONE_NEWCGROUP};

bool add_rules(scmp_filter_ctx filter) {
    const auto refused = SCMP_ACT_ERRNO(EPERM);
    for (const char* name : k_denied) {
        const int call = ::seccomp_syscall_resolve_name(name);
        if (call == __NR_SCMP_ERROR) continue;
        if (int r = ::seccomp_rule_add(filter, refused, call, 0); r != 0 && r != -EDOM && r != -EINVAL) return false;
    }
    for (auto flag : k_new_spaces)
        if (::seccomp_rule_add(filter, refused, SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, flag, flag)) != 0)
            return false;
    // Its flags lie in memory, where a filter cannot look: a C library that hears this uses clone.
    if (::seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) != 0) return false;
    // Typing into the terminal that somebody else sits at.
    for (std::uint64_t order : {TIOCSTI, TIOCLINUX})
        if (::seccomp_rule_add(filter, refused, SCMP_SYS(ioctl), 1,
                               SCMP_A1(SCMP_CMP_MASKED_EQ, std::uint64_t{0xffffffff}, order)) != 0)
            return false;
    return true;
}

syscall_filter build() {
    syscall_filter made;
    std::unique_ptr<void, void (*)(scmp_filter_ctx)> filter(::seccomp_init(SCMP_ACT_ALLOW), &::seccomp_release);
#if defined(__x86_64__)
    const bool all = filter && ::seccomp_arch_add(filter.get(), SCMP_ARCH_X86) == 0 &&
                     ::seccomp_arch_add(filter.get(), SCMP_ARCH_X32) == 0 && add_rules(filter.get());
#else
    const bool all = filter && add_rules(filter.get());
#endif
    descriptor file(::memfd_create("filter", MFD_CLOEXEC));
    struct stat about {};
    if (!all || !file || ::seccomp_export_bpf(filter.get(), file.get()) != 0 || ::fstat(file.get(), &about) != 0) {
        made.why_not = "libseccomp cannot make the filter";
        return made;
    }
    made.program.resize(static_cast<std::size_t>(about.st_size) / sizeof(std::uint64_t));
    if (::pread(file.get(), made.program.data(), static_cast<std::size_t>(about.st_size), 0) != about.st_size) {
        made.program.clear();
        made.why_not = "the filter cannot be read back";
    }
    return made;
}
#else
syscall_filter build() { return {{}, "this plugin was built without libseccomp"}; }
#endif

}  // namespace

const syscall_filter& job_syscall_filter() {
    static const syscall_filter one = [] {
        if (::prctl(PR_GET_SECCOMP) < 0 && errno == EINVAL) return syscall_filter{{}, "this kernel has no seccomp"};
        return build();
    }();
    return one;
}

}  // namespace sigrun::process

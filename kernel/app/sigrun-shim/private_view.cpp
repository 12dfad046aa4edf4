#include "private_view.hpp"

#include <fcntl.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

namespace sigrun::shim {
namespace {

int loopback_up() {
    int s = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (s < 0) return errno == EAFNOSUPPORT ? 0 : errno;
    ifreq lo{};
    std::memcpy(lo.ifr_name, "lo", 3);
    int error = ::ioctl(s, SIOCGIFFLAGS, &lo) != 0 ? errno : 0;
    lo.ifr_flags = static_cast<short>(lo.ifr_flags | IFF_UP);
    if (!error && ::ioctl(s, SIOCSIFFLAGS, &lo) != 0) error = errno;
    ::close(s);
    return error;
}

bool lies_below(const std::string& path, const char* folder) {
    const auto n = std::strlen(folder);
    return path.compare(0, n, folder) == 0 && path.size() > n && path[n] == '/';
}

int make_folders(const std::string& path) {
    for (auto slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
        if (::mkdir(path.substr(0, slash).c_str(), 0755) != 0 && errno != EEXIST) return errno;
        if (slash == std::string::npos) return 0;
    }
}

int show_again(int folder, const std::string& path) {
    if (int error = make_folders(path)) return error;
    char source[64];
    std::snprintf(source, sizeof source, "/proc/self/fd/%d", folder);
    return ::mount(source, path.c_str(), nullptr, MS_BIND | MS_REC, nullptr) == 0 ? 0 : errno;
}

int cover_folders(std::uint64_t bytes, const std::string& workspace) {
    char how[64];
    const auto n = std::snprintf(how, sizeof how, "mode=1777");
    if (bytes)
        std::snprintf(how + n, sizeof how - static_cast<std::size_t>(n), ",size=%llu",
                      static_cast<unsigned long long>(bytes));
    int kept = -1;
    for (auto folder = k_private_folders; *folder; ++folder)
        if (kept < 0 && lies_below(workspace, *folder))
            kept = ::open(workspace.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    int error = 0;
    for (auto folder = k_private_folders; *folder && !error; ++folder) {
        struct stat about {};
        // A link leads to one that is covered by its own name.
        if (::lstat(*folder, &about) != 0 || !S_ISDIR(about.st_mode)) continue;
        if (::mount("tmpfs", *folder, "tmpfs", MS_NOSUID | MS_NODEV, how) != 0) error = errno;
    }
    if (kept >= 0 && !error) error = show_again(kept, workspace);
    if (kept >= 0) ::close(kept);
    return error;
}

}  // namespace

int make_private_view(const sigrun_shim_setting& what, const char* workspace) {
    if (what.what & SIGRUN_SHIM_NS_MOUNT) {
        // What the machine mounts and unmounts still arrives here, so that nothing is kept busy; nothing goes the other way.
        if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) return errno;
        if (what.what & SIGRUN_SHIM_PRIVATE_TMP)
            if (int error = cover_folders(what.tmp_bytes, workspace)) return error;
        if (what.what & SIGRUN_SHIM_NS_PID)
            if (::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) return errno;
    }
    return what.what & SIGRUN_SHIM_NS_NET ? loopback_up() : 0;
}

}  // namespace sigrun::shim

#include "workspace_watch.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <set>

namespace sigrun::shim {
namespace {

constexpr std::chrono::milliseconds k_pause{200};
constexpr int k_pause_per_look = 20;
// Deeper folders are left out: each level holds a descriptor.
constexpr int k_deepest = 128;
constexpr std::uint64_t k_block = 512;  // st_blocks counts these whatever the file system

struct walk {
    dev_t device = 0;
    std::uint64_t bytes = 0;
    std::set<ino_t> linked{};

    // Takes the descriptor.
    void folder(int fd, int depth) {
        DIR* dir = ::fdopendir(fd);
        if (!dir) {
            ::close(fd);
            return;
        }
        while (const dirent* entry = ::readdir(dir)) {
            if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0) continue;
            struct stat about {};
            if (::fstatat(fd, entry->d_name, &about, AT_SYMLINK_NOFOLLOW) != 0 || about.st_dev != device) continue;
            bool folder_here = S_ISDIR(about.st_mode);
            if (!folder_here && about.st_nlink > 1 && !linked.insert(about.st_ino).second) continue;
            bytes += static_cast<std::uint64_t>(about.st_blocks) * k_block;
            if (!folder_here || depth >= k_deepest) continue;
            int below = ::openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (below >= 0) folder(below, depth + 1);
        }
        ::closedir(dir);
    }
};

}  // namespace

std::uint64_t disk_usage(const char* path) {
    int fd = ::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat about {};
    if (fd < 0) return 0;
    if (::fstat(fd, &about) != 0) {
        ::close(fd);
        return 0;
    }
    walk all{about.st_dev};
    all.folder(fd, 0);
    return all.bytes;
}

bool workspace_watch::look() {
    auto began = clock::now();
    auto now_used = disk_usage(path_);
    peak_ = std::max(peak_, now_used);
    auto took = clock::now() - began;
    next_ = clock::now() + std::max<clock::duration>(k_pause, took * k_pause_per_look);
    return now_used > limit_;
}

}  // namespace sigrun::shim

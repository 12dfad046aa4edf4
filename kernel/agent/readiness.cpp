#include "kernel/agent/readiness.hpp"

#include "kernel/base/quantity.hpp"
#include "kernel/log/loggers.hpp"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace sigrun {
namespace {

namespace fs = std::filesystem;
// Only directories with this beginning are ever removed.
constexpr std::string_view k_prefix = "attempt-";

}  // namespace

result<std::string> prepare_workspace(const std::string& root, const std::string& name, std::uint64_t min_free) {
    std::error_code ec;
    fs::create_directories(root, ec);
    struct statvfs disk {};
    if (::statvfs(root.c_str(), &disk) != 0)
        return problem{errc::io, "workspace " + root + " cannot be used: " + std::strerror(errno), "workspace_dir"};
    std::uint64_t free = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
    if (free < min_free)
        return problem{errc::unavailable, "too little disk space", "min_free_disk",
                       "at least " + format_size(min_free) + " below " + root, format_size(free)};
    if (disk.f_files > 0 && disk.f_favail == 0)
        return problem{errc::unavailable, "no inode is free below " + root, "workspace_dir"};
    std::string path = root + "/" + std::string(k_prefix) + name;
    fs::remove_all(path, ec);
    if (::mkdir(path.c_str(), 0700) != 0)
        return problem{errc::io, "workspace " + path + " cannot be made: " + std::strerror(errno), "workspace_dir"};
    return path;
}

void remove_workspace(const std::string& path) {
    std::error_code ec;
    fs::remove_all(path, ec);
    if (ec) SIGRUN_LOG(logs::agent, warning, "workspace ", path, " cannot be removed: ", ec.message());
}

std::size_t remove_leftover_workspaces(const std::string& root, const std::vector<std::string>& but) {
    std::error_code ec;
    std::size_t n = 0;
    for (const auto& entry : fs::directory_iterator(root, ec)) {
        if (entry.path().filename().string().compare(0, k_prefix.size(), k_prefix) != 0) continue;
        if (std::find(but.begin(), but.end(), entry.path().string()) != but.end()) continue;
        remove_workspace(entry.path().string());
        ++n;
    }
    return n;
}

}  // namespace sigrun

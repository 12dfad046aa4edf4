#include "kernel/plugin/stage.hpp"

#include "kernel/guard/private_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

namespace sigrun {
namespace {

namespace fs = std::filesystem;

// Said once here, instead of by the dynamic loader about every plugin.
result<void> check_may_execute(const std::string& folder) {
    struct statvfs system {};
    if (::statvfs(folder.c_str(), &system) != 0) return system_problem("cannot look at", folder);
    if (system.f_flag & ST_NOEXEC)
        return problem{errc::io, "plugins could not be run from there", "state-dir",
                       "a folder on a file system that is not mounted noexec", folder};
    return {};
}

}  // namespace

result<std::string> read_plugin_file(const std::string& path) {
    owned_fd file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    if (!file && errno == ELOOP) return bad_value("file", "a regular file", "a symbolic link");
    if (!file) return system_problem("cannot open", path);
    return read_plugin_file(file.get(), path);
}

result<std::string> read_plugin_file(int fd, const std::string& path) {
    struct stat info {};
    if (::fstat(fd, &info) != 0) return system_problem("cannot read", path);
    if (!S_ISREG(info.st_mode)) return bad_value("file", "a regular file", "another kind of file");
    if (info.st_uid != 0 && info.st_uid != geteuid())
        return bad_value("file's owner", "root or user " + std::to_string(geteuid()),
                         "user " + std::to_string(info.st_uid));
    if (info.st_mode & S_IWOTH) return bad_value("file's mode", "not writable by everybody", "writable by everybody");
    return read_all(fd, path, k_max_plugin_file);
}

result<stage> stage::open(const std::string& state_dir) {
    if (state_dir.empty()) {
        std::string folder = (fs::temp_directory_path() / "sigrun-stage-XXXXXX").string();
        if (!mkdtemp(folder.data())) return system_problem("cannot make a folder", folder);
        stage made(folder, true);
        SIGRUN_CHECK_OK(check_may_execute(folder));
        return made;
    }
    std::error_code ec;
    const fs::path folder = fs::path(state_dir) / "stage";
    fs::create_directories(folder, ec);
    if (!ec) fs::permissions(folder, fs::perms::owner_all, ec);
    if (ec) return make_problem(errc::io, "folder '" + folder.string() + "' cannot be made: " + ec.message());
    SIGRUN_CHECK_OK(check_may_execute(folder.string()));
    for (fs::directory_iterator it(folder, ec), end; !ec && it != end; it.increment(ec)) {
        std::error_code ignored;
        if (it->path().extension() == ".so" || it->path().filename().string().starts_with("trial-"))
            fs::remove_all(it->path(), ignored);
    }
    return stage(folder.string(), false);
}

stage::stage(stage&& o) noexcept : folder_(std::move(o.folder_)), temporary_(std::exchange(o.temporary_, false)) {}

stage::~stage() {
    std::error_code ignored;
    if (temporary_) fs::remove_all(folder_, ignored);
}

result<std::string> stage::add(std::string_view bytes, std::string_view id, std::uint64_t generation,
                               std::string_view sha256) const {
    const std::string path = folder_ + "/" + std::string(id) + "-g" + std::to_string(generation) + "-" +
                             std::string(sha256.substr(0, 12)) + ".so";
    owned_fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0500));
    if (!file) return system_problem("cannot write", path);
    while (!bytes.empty()) {
        ssize_t n = ::write(file.get(), bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            problem p = system_problem("cannot write", path);
            ::unlink(path.c_str());
            return p;
        }
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return path;
}

void stage::remove(const std::string& path) const noexcept { ::unlink(path.c_str()); }

}  // namespace sigrun

#include "kernel/plugin/pins.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace sigrun {
namespace {

namespace fs = std::filesystem;

// A pin must outlive a power failure: the copy first, then its name.
result<void> write_through(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    const bool good = fd >= 0 && ::fsync(fd) == 0;
    const int error = errno;
    if (fd >= 0) ::close(fd);
    if (good) return {};
    return make_problem(errc::io, "cannot write '" + path + "': " + std::strerror(error));
}

}  // namespace

std::string pins::copy_of(std::string_view id) const {
    std::error_code ec;
    if (folder_.empty()) return {};
    for (fs::directory_iterator it(folder_, ec), end; !ec && it != end; it.increment(ec)) {
        const std::string name = it->path().filename().string();
        if (name.starts_with(std::string(id) + "@") && name.ends_with(".so")) return it->path().string();
    }
    return {};
}

std::string pins::sha256_of(std::string_view copy) {
    const auto at = copy.rfind('@');
    if (at == std::string_view::npos || copy.size() < at + 4) return {};
    return std::string(copy.substr(at + 1, copy.size() - at - 4));
}

result<void> pins::add(const std::string& id, const std::string& sha256, const std::string& file) const {
    if (folder_.empty()) return make_problem(errc::unsupported, "without a state directory nothing can be pinned");
    const std::string to = folder_ + "/" + id + "@" + sha256 + ".so", part = folder_ + "/." + id;
    std::error_code ec;
    fs::create_directories(folder_, ec);
    fs::permissions(folder_, fs::perms::owner_all, ec);
    if (!ec) fs::copy_file(file, part, fs::copy_options::overwrite_existing, ec);
    if (ec) return make_problem(errc::io, "cannot write '" + part + "': " + ec.message());
    SIGRUN_CHECK_OK(write_through(part));
    SIGRUN_CHECK_OK(remove(id));
    fs::rename(part, to, ec);
    if (ec) return make_problem(errc::io, "cannot write '" + to + "': " + ec.message());
    return write_through(folder_);
}

result<void> pins::remove(std::string_view id) const {
    for (std::string copy = copy_of(id); !copy.empty(); copy = copy_of(id)) {
        std::error_code ec;
        fs::remove(copy, ec);
        if (ec) return make_problem(errc::io, "cannot remove '" + copy + "': " + ec.message());
    }
    return {};
}

}  // namespace sigrun

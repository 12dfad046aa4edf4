#include "library.hpp"

#include <sigrun/cpp/text.hpp>

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

namespace sigrun::check {
namespace {

std::string write_copy(std::string_view bytes, const std::string& path) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0500);
    if (fd < 0) return sdk::concat(path, ": ", std::strerror(errno));
    std::string problem;
    while (!bytes.empty() && problem.empty()) {
        const ssize_t n = ::write(fd, bytes.data(), bytes.size());
        if (n < 0 && errno != EINTR) problem = sdk::concat(path, ": ", std::strerror(errno));
        if (n > 0) bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    ::close(fd);
    return problem;
}

}  // namespace

sigrun_hello make_hello() noexcept {
    return {sizeof(sigrun_hello),        SIGRUN_ABI_MAJOR, SIGRUN_ABI_MINOR, 0, sdk::str("sigrun-plugin-check"),
            sdk::str(SIGRUN_SDK_VERSION)};
}

library::library(std::string_view bytes, const std::string& folder) {
    static std::atomic<unsigned> number{0};
    path_ = sdk::concat(folder, "/plugin-", ::getpid(), "-", ++number, ".so");
    error_ = write_copy(bytes, path_);
    if (!error_.empty()) return;
    handle_ = ::dlopen(path_.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!handle_) {
        const char* why = ::dlerror();
        error_ = why ? why : "dlopen failed";
        return;
    }
    entry_ = reinterpret_cast<entry_fn*>(::dlsym(handle_, SIGRUN_ENTRY_SYMBOL));
    struct link_map* map = nullptr;
    if (::dlinfo(handle_, RTLD_DI_LINKMAP, &map) == 0 && map) base_ = map->l_addr;
}

library::~library() {
    close();
    ::unlink(path_.c_str());
}

const sigrun_entry* library::entry() const {
    if (!entry_) return nullptr;
    const sigrun_hello hello = make_hello();
    return entry_(&hello);
}

bool library::contains(const void* address) const noexcept {
    Dl_info info{};
    return ::dladdr(address, &info) && reinterpret_cast<std::uintptr_t>(info.dli_fbase) == base_;
}

bool library::lies_in_a_library(const void* address) noexcept {
    Dl_info info{};
    return ::dladdr(address, &info) != 0;
}

bool library::mapped() const noexcept {
    struct search {
        std::string_view path;
        bool found;
    } what{path_, false};
    ::dl_iterate_phdr(
        [](struct dl_phdr_info* info, std::size_t, void* ctx) {
            auto& s = *static_cast<search*>(ctx);
            s.found = s.found || (info->dlpi_name && s.path == info->dlpi_name);
            return 0;
        },
        &what);
    return what.found;
}

bool library::close() noexcept {
    if (!handle_) return true;
    ::dlclose(handle_);
    handle_ = nullptr;
    entry_ = nullptr;
    return !mapped();
}

}  // namespace sigrun::check

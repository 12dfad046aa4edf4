// sigrun plugin install: a checked file, put into the daemon's plugin folder in one step.
//
// The daemon takes no plugin over the network: who may put code into it is who may write into its folder, on its machine.
#include "kernel/app/sigrun/plugin_commands.hpp"
#include "kernel/guard/private_file.hpp"
#include "kernel/plugin/elf_gate.hpp"
#include "kernel/plugin/stage.hpp"
#include "kernel/plugin/trial.hpp"

#include <sigrun/cpp/text.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>

namespace sigrun::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t k_max_signature = 4096;
constexpr std::array<std::string_view, 5> k_kinds{"protocol", "balancer", "probe", "executor", "store"};

failure no_file_access(const std::string& what, const fs::path& path) {
    return failure({errc::io, what + " " + path.string() + ": " + std::strerror(errno)},
                   "run it as the user that may write the daemon's plugin folder");
}

/// "probe" of "sigrun.probe/1"; "" if there is no folder for it.
std::string folder_kind(std::string_view kind) {
    for (auto known : k_kinds)
        if (kind == known || kind.starts_with("sigrun." + std::string(known) + "/")) return std::string(known);
    return {};
}

bool is_on_this_machine(std::string_view url) {
    const auto host = url.substr(std::min(url.size(), url.find("://") == url.npos ? 0 : url.find("://") + 3));
    return url.find("+unix:") != url.npos || url.starts_with("unix:") || host.starts_with("127.") ||
           host.starts_with("localhost") || host.starts_with("[::1]");
}

/// The daemon's plugin folder as this program sees it.
fs::path folder_of(context& ctx, const json::object& plugins) {
    const fs::path folder = std::string(text_or(plugins, "folder"));
    bool same = is_on_this_machine(ctx.daemon().url()) && !folder.empty() && fs::is_directory(folder);
    // A daemon in a container has a folder of the same name somewhere else.
    if (const json::array* items = array_or_null(plugins, "items"); same && items)
        for (const auto& item : *items)
            if (const json::object* p = item.if_object(); p && !bool_or(*p, "file_gone", false))
                same = same && fs::exists(fs::symlink_status(std::string(text_or(*p, "file"))));
    if (same) return folder;
    throw failure({errc::forbidden, "the daemon at " + ctx.daemon().url() +
                                        " does not run on this machine, and takes no "
                                        "plugins over the network"},
                  "copy the file to its machine and run `sigrun plugin install` there");
}

/// Where the plugin goes: over the file it runs from, else into the folder of its kind.
fs::path place_of(const fs::path& folder, const json::object& plugins, const install_wish& wish, const std::string& id,
                  const std::vector<std::string>& kinds) {
    std::string name = wish.name.empty() ? fs::path(wish.file).stem().string() : wish.name;
    if (name.ends_with(".so")) name.resize(name.size() - 3);
    if (name.empty() || name.front() == '.' || name.find('/') != name.npos)
        throw failure(bad_value("--name", "a file name that does not begin with a dot", "\"" + name + "\""));
    if (const json::array* items = array_or_null(plugins, "items"))
        for (const auto& item : *items) {
            const json::object* p = item.if_object();
            if (!p || text_or(*p, "id") != id || text_or(*p, "state") == "rejected") continue;
            const fs::path there = std::string(text_or(*p, "file"));
            if (wish.name.empty() || there.stem() == name) return there;
            throw failure(
                {errc::conflict, "this plugin is loaded from another file", "--name", there.stem().string(), name});
        }
    std::string kind = folder_kind(wish.kind);
    for (const auto& one : kinds)
        if (kind.empty()) kind = folder_kind(one);
    if (kind.empty())
        throw failure(bad_value("--kind", "protocol, balancer, probe, executor or store", "\"" + wish.kind + "\""));
    return folder / (kind + "s") / (name + ".so");
}

void sync_folder(const fs::path& folder) {
    const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || ::fsync(fd) != 0) {
        if (fd >= 0) ::close(fd);
        throw no_file_access("cannot write", folder);
    }
    ::close(fd);
}

void write_file(const fs::path& path, std::string_view bytes) {
    ::unlink(path.c_str());  // of an install that was broken off
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    bool good = fd >= 0 && ::fchmod(fd, 0644) == 0;
    while (good && !bytes.empty()) {
        const ssize_t n = ::write(fd, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        good = n > 0;
        if (good) bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    good = good && ::fsync(fd) == 0;
    const int error = errno;
    if (fd >= 0) ::close(fd);
    if (good) return;
    ::unlink(path.c_str());
    errno = error;
    throw no_file_access("cannot write", path);
}

/// A file that takes the place of another one, and gives it back unless it is kept.
class placed_file {
public:
    placed_file(fs::path to, std::string_view bytes) : to_(std::move(to)) {
        std::error_code ec;
        const fs::path folder = to_.parent_path();
        fs::create_directory(folder, ec);
        const std::string name = to_.filename().string();
        const fs::path part = folder / ("." + name + ".new");
        before_ = folder / ("." + name + ".before");
        write_file(part, bytes);
        ::unlink(before_.c_str());
        had_one_ = ::link(to_.c_str(), before_.c_str()) == 0;
        if (::rename(part.c_str(), to_.c_str()) != 0) {
            const failure f = no_file_access("cannot put it at", to_);
            ::unlink(part.c_str());
            ::unlink(before_.c_str());
            throw f;
        }
        sync_folder(folder);
    }
    placed_file(const placed_file&) = delete;
    placed_file& operator=(const placed_file&) = delete;
    ~placed_file() {
        if (kept_)
            ::unlink(before_.c_str());
        else if (had_one_)
            ::rename(before_.c_str(), to_.c_str());
        else
            ::unlink(to_.c_str());
    }
    void keep() noexcept { kept_ = true; }

private:
    fs::path to_, before_;
    bool had_one_ = false, kept_ = false;
};

}  // namespace

int install_plugin(context& ctx, const install_wish& wish) {
    const std::string bytes = need(read_plugin_file(wish.file));
    const plugin_identity identity = need(inspect_plugin(bytes), "it was not installed");
    std::vector<std::string> kinds;
    const auto tried = try_plugin(bytes, {"/proc/self/exe", fs::temp_directory_path().string()}, &kinds);
    if (!tried) throw failure(tried.error(), "it was not installed");
    const json::object plugins = ctx.daemon().call_object("plugins.list", {});
    const fs::path to = place_of(folder_of(ctx, plugins), plugins, wish, identity.id, kinds);
    json::object done;
    {
        // First, so that the daemon finds it whenever it looks at the file.
        std::optional<placed_file> signature;
        if (const auto text = read_file(wish.file + ".sig", k_max_signature))
            signature.emplace(fs::path(to.string() + ".sig"), *text);
        placed_file placed(to, bytes);
        auto keep = [&] {
            placed.keep();
            if (signature) signature->keep();
        };
        try {
            done = ctx.daemon().call_object("plugins.reload", {{"id", to.string()}, {"probation", !wish.at_once}});
            keep();
        } catch (const failure& f) {
            // Good, but not while the daemon runs: the next start takes it.
            if (f.what_happened().code == errc::unsupported) keep();
            throw failure(f.what_happened(), f.what_happened().code == errc::unsupported
                                                 ? "it lies at " + to.string() + " for the next start of the daemon"
                                                 : "the file that was there before is back");
        }
    }
    if (ctx.json())
        context::print(json::serialize(done) + "\n");
    else
        context::print(reload_text(done) + "its file is " + to.string() + "\n");
    return k_ok;
}

}  // namespace sigrun::cli

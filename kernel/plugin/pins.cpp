#include "kernel/plugin/pins.hpp"

#include "kernel/guard/private_file.hpp"
#include "kernel/plugin/stage.hpp"

#include <algorithm>
#include <filesystem>
#include <vector>

namespace sigrun {
namespace {

namespace fs = std::filesystem;

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

result<void> pins::add(const std::string& id, const std::string& sha256, const std::string& file,
                       const std::string& signature) const {
    if (folder_.empty()) return make_problem(errc::unsupported, "without a state directory nothing can be pinned");
    const std::string to = folder_ + "/" + id + "@" + sha256 + ".so";
    std::error_code ec;
    fs::create_directories(folder_, ec);
    if (!ec) fs::permissions(folder_, fs::perms::owner_all, ec);
    if (ec) return make_problem(errc::io, "folder '" + folder_ + "' cannot be made: " + ec.message());
    // The name of the copy is the pin, so it comes last, and what it takes the place of goes after it.
    if (!signature.empty()) SIGRUN_CHECK_OK(write_whole_file(to + ".sig", signature, 0600));
    SIGRUN_TRY(bytes, read_file(file, k_max_plugin_file));
    SIGRUN_CHECK_OK(write_whole_file(to, bytes, 0500));
    return remove_others(id, to);
}

result<void> pins::remove(std::string_view id) const { return remove_others(id, ""); }

result<void> pins::remove_others(std::string_view id, const std::string& but) const {
    const std::string begin = std::string(id) + "@";
    std::vector<fs::path> gone;
    std::error_code ec;
    for (fs::directory_iterator it(folder_, ec), end; !ec && it != end; it.increment(ec))
        if (const auto& path = it->path();
            path.filename().string().starts_with(begin) && (but.empty() || !path.string().starts_with(but)))
            gone.push_back(path);
    if (ec == std::errc::no_such_file_or_directory) return {};
    // Copies before their signatures, which come later by name: a copy without its own may not run.
    std::sort(gone.begin(), gone.end());
    for (const auto& path : gone) {
        if (!ec) fs::remove(path, ec);
        if (ec) return make_problem(errc::io, "cannot remove '" + path.string() + "': " + ec.message());
    }
    return {};
}

}  // namespace sigrun

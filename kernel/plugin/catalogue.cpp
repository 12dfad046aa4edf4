#include "kernel/plugin/catalogue.hpp"

#include <algorithm>
#include <filesystem>

namespace sigrun {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t k_max_files = 1000;

result<void> collect(const fs::path& folder, bool deeper, std::vector<plugin_file>& out) {
    std::error_code ec;
    for (fs::directory_iterator it(folder, ec), end; !ec && it != end; it.increment(ec)) {
        const fs::path& path = it->path();
        if (path.filename().string().front() == '.') continue;
        std::error_code ignored;
        if (deeper && it->is_directory(ignored)) {
            SIGRUN_CHECK_OK(collect(path, false, out));
        } else if (path.extension() == ".so" && !it->is_directory(ignored)) {
            if (out.size() >= k_max_files) return bad_value(folder.string(), "at most 1000 plugin files", "more");
            out.push_back({path.string(), stem_of(path.string())});
        }
    }
    if (ec) return make_problem(errc::io, "plugin folder '" + folder.string() + "' cannot be read: " + ec.message());
    return {};
}

}  // namespace

std::string stem_of(std::string_view path) { return fs::path(path).stem().string(); }

result<std::vector<plugin_file>> find_plugin_files(const std::string& folder) {
    std::vector<plugin_file> out;
    SIGRUN_CHECK_OK(collect(folder, true, out));
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
    return out;
}

}  // namespace sigrun

#include "kernel/app/sigrun/source_watch.hpp"

#include <algorithm>
#include <functional>
#include <string_view>

namespace sigrun::cli {
namespace {

namespace fs = std::filesystem;

std::uint64_t stamp_of(const fs::path& path) {
    std::error_code ec;
    const auto written = fs::last_write_time(path, ec);
    if (ec) return 0;
    const auto size = fs::file_size(path, ec);
    const auto text = path.string() + '\n' + std::to_string(written.time_since_epoch().count()) + '\n' +
                      std::to_string(ec ? 0 : size);
    return std::hash<std::string>()(text);
}

// What compilers and linkers write: no build may be the reason for the next one.
constexpr std::string_view k_made[] = {".o", ".so", ".a", ".d", ".gcno", ".rlib", ".rmeta"};

bool passed_over(const fs::directory_entry& entry) {
    const std::string name = entry.path().filename().string();
    std::error_code ec;
    if (name.empty() || name.front() == '.' || name.back() == '~') return true;
    if (std::find(std::begin(k_made), std::end(k_made), entry.path().extension().string()) != std::end(k_made))
        return true;
    return entry.is_directory(ec) && (name == "target" || fs::exists(entry.path() / "CMakeCache.txt", ec));
}

}  // namespace

std::uint64_t source_watch::look() const {
    std::uint64_t all = 0;
    for (const auto& path : paths_) {
        std::error_code ec;
        if (!fs::is_directory(path, ec)) {
            all += stamp_of(path);
            continue;
        }
        for (fs::recursive_directory_iterator it(path, ec), end; !ec && it != end; it.increment(ec)) {
            if (passed_over(*it)) {
                it.disable_recursion_pending();
            } else if (std::error_code ignored; it->is_regular_file(ignored)) {
                all += stamp_of(it->path());  // a sum: the order in which a folder is read does not matter
            }
        }
    }
    return all;
}

bool source_watch::changed() {
    const auto now = look();
    const bool still = now == last_;
    last_ = now;
    if (first_) {
        settled_ = now;
        first_ = false;
    }
    if (!still || now == settled_) return false;
    settled_ = now;
    return true;
}

}  // namespace sigrun::cli

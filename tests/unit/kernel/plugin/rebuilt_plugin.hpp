// What a rebuild of a shipped plugin with another version number would give, in a folder of a test's own.
#pragma once

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>

namespace sigrun::testing {

/// Puts BUILD/plugins/`file` below `folder` with `version` in the place of `shipped`, which must be as long; by rename, as a
/// plugin is to be installed.
inline void install_rebuilt(const std::filesystem::path& folder, const std::string& file, const std::string& shipped,
                            const std::string& version) {
    std::ifstream in(std::filesystem::path(SIGRUN_BUILD_DIR) / "plugins" / file, std::ios::binary);
    std::ostringstream content;
    content << in.rdbuf();
    auto bytes = content.str();
    if (version.size() != shipped.size() || bytes.find(shipped) == std::string::npos)
        throw std::runtime_error(file + " has no version " + shipped);
    for (auto at = bytes.find(shipped); at != std::string::npos; at = bytes.find(shipped, at + 1))
        bytes.replace(at, version.size(), version);
    const auto to = folder / file;
    std::filesystem::create_directories(to.parent_path());
    const auto beside = to.string() + ".new";
    std::ofstream(beside, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    std::filesystem::rename(beside, to);
}

}  // namespace sigrun::testing

// Private copies of plugin files. The user's file is read once; everything later (checks, hash, loading) uses
// those bytes, so replacing or truncating the file cannot reach code that runs. A path is never used twice in
// one process, because dlopen would answer a known path with the old code.
#pragma once

#include "kernel/base/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace sigrun {

inline constexpr std::size_t k_max_plugin_file = 256u * 1024 * 1024;
/// All bytes of an open regular file that only its owner (root or this user) and group can write to; at most 256 MiB.
result<std::string> read_plugin_file(int fd, const std::string& path);
/// The same by path; a symbolic link is refused.
result<std::string> read_plugin_file(const std::string& path);

/// <state>/stage, emptied at construction. Not thread-safe.
class stage {
public:
    /// Makes the folder; an empty `state_dir` means a private folder below /tmp that goes away with this
    /// object.
    static result<stage> open(const std::string& state_dir);
    stage(stage&& o) noexcept;
    stage& operator=(stage&&) = delete;
    ~stage();

    /// Writes <id>-g<generation>-<hash12>.so, mode 0500, and returns its path.
    result<std::string> add(std::string_view bytes, std::string_view id, std::uint64_t generation,
                            std::string_view sha256) const;
    void remove(const std::string& path) const noexcept;

private:
    stage(std::string folder, bool temporary) : folder_(std::move(folder)), temporary_(temporary) {}
    std::string folder_;
    bool temporary_;
};

}  // namespace sigrun

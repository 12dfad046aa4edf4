// The versions of plugins that served well, kept as bytes: <state>/good/ID.so, and as ID~.so the one before it. They are what
// runs when a plugin's file may not: it is damaged, refuses, or is in quarantine.
//
// Two instead of one, because a version that takes longer to crash than to prove itself is found out only when it has already
// become the last good one. At most 64 MiB a file and 512 MiB together; what is larger is not kept. Not thread-safe.
#pragma once

#include "kernel/base/result.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

struct good_version {
    std::string id, version, sha256;
    std::string file;  // name of the plugin file without .so: what it is found by when the file's own id cannot be read
    std::int64_t since_ns = 0;
    std::string signature;  // text of its .sig, or empty
};

class last_good {
public:
    struct limits {
        std::size_t file = 64u << 20, all = 512u << 20;
    };
    static result<last_good> open(const std::string& state_dir, limits most);
    static result<last_good> open(const std::string& state_dir) { return open(state_dir, limits()); }

    /// The newest first; those that cannot be read whole are left out.
    std::vector<good_version> versions(std::string_view id_or_file) const;
    /// Its bytes, checked against its hash.
    result<std::string> bytes(const good_version& which) const;
    /// Makes it the newest one; the newest so far becomes the one before. A version that is the newest already is left alone.
    result<void> keep(const good_version& what, std::string_view bytes);
    /// Forgets the version with this hash.
    void drop(std::string_view id, std::string_view sha256);

private:
    last_good(std::string folder, limits most) : folder_(std::move(folder)), limits_(most) {}
    std::string path(std::string_view id, bool before, const char* end) const;
    result<good_version> read(const std::string& description) const;
    std::size_t used() const;

    std::string folder_;
    limits limits_;
};

}  // namespace sigrun

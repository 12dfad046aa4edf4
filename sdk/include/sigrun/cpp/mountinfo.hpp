// sigrun/cpp/mountinfo.hpp: /proc/self/mountinfo, line by line (proc_pid_mountinfo(5)). Header-only.
#pragma once

#include <sigrun/cpp/procfs.hpp>

namespace sigrun::sdk {

struct mount_entry {
    std::string root;         // what of the file system is mounted
    std::string mount_point;  // where
    std::string options;      // of this mount: "rw,nosuid"
    std::string type;         // "cgroup2", "ext4"
    std::string source;
    std::string super_options;  // of the file system: "rw,memory"
    std::string device;         // "major:minor" of the file system
    std::uint64_t id = 0;       // of this mount,
    std::uint64_t parent = 0;   // and of the one that it is mounted on

    /// True if one of the comma separated super options is `word`.
    bool has_super_option(std::string_view word) const noexcept { return has_word(super_options, word); }
    bool has_option(std::string_view word) const noexcept { return has_word(options, word); }

private:
    static bool has_word(std::string_view list, std::string_view word) noexcept {
        while (!list.empty()) {
            const auto comma = list.find(',');
            if (list.substr(0, comma) == word) return true;
            list = comma == list.npos ? std::string_view() : list.substr(comma + 1);
        }
        return false;
    }
};

/// Undoes the kernel's octal escapes: "\040" is a blank.
inline std::string unescape_mount(std::string_view text) {
    auto octal = [](char c) { return c >= '0' && c <= '7'; };
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 3 < text.size() && text[i + 1] >= '0' && text[i + 1] <= '3' && octal(text[i + 2]) &&
            octal(text[i + 3])) {
            out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
            i += 3;
        } else {
            out += text[i];
        }
    }
    return out;
}

/// Lines that are not of the documented form are skipped.
inline std::vector<mount_entry> parse_mountinfo(std::string_view text) {
    std::vector<mount_entry> mounts;
    std::string_view line;
    while (next_line(text, line)) {
        const auto w = words(line);
        std::size_t dash = 6;  // after the optional fields
        while (dash < w.size() && w[dash] != "-") ++dash;
        if (w.size() < 6 || dash + 2 >= w.size()) continue;
        mounts.push_back({unescape_mount(w[3]), unescape_mount(w[4]), std::string(w[5]), std::string(w[dash + 1]),
                          unescape_mount(w[dash + 2]), dash + 3 < w.size() ? std::string(w[dash + 3]) : std::string(),
                          std::string(w[2]), parse_u64(w[0]).value_or(0), parse_u64(w[1]).value_or(0)});
    }
    return mounts;
}

}  // namespace sigrun::sdk

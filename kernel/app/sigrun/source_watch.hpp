// Whether files changed, by looking: names, sizes and times of what lies below some folders. Looking again every fraction
// of a second costs next to nothing for a plugin's sources, follows renames and new folders, and never overflows.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace sigrun::cli {

class source_watch {
public:
    /// Folders that are looked through and files. In folders, what is hidden, build folders (with a CMakeCache.txt), Cargo's
    /// target/, and objects and libraries are passed over.
    explicit source_watch(std::vector<std::string> paths) : paths_(std::move(paths)) { (void)changed(); }

    /// True once per change, and only when nothing has changed between two looks: the writer has finished.
    bool changed();

private:
    std::uint64_t look() const;

    std::vector<std::string> paths_;
    std::uint64_t settled_ = 0, last_ = 0;
    bool first_ = true;
};

}  // namespace sigrun::cli

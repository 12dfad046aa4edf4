// sigrun/cpp/work_place.hpp: where the jobs of this process get their folders. Header-only.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>

namespace sigrun::sdk {

/// A folder, and who says so. It need not exist yet.
struct work_place {
    std::string path, source;
    std::string_view method = "declared";
};

/// What this process was told, else the current folder.
inline work_place live_work_place() {
    // sigrun-runner puts the folder it uses where its setting could have come from.
    constexpr const char* k_setting = "SIGRUN_RUNNER__WORKSPACE_DIR";
    if (const char* path = std::getenv(k_setting); path && *path) return {path, k_setting};
    char room[4096];
    return {::getcwd(room, sizeof room) ? room : "", "current folder", "read"};
}

}  // namespace sigrun::sdk

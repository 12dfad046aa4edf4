// A plugin folder and a state folder of their own for one test; removed at its end.
#pragma once

#include "kernel/plugin/plugin_host.hpp"

#include <sigrun/probe.h>

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace sigrun::testing {

namespace fs = std::filesystem;

inline fs::path fixture_plugin(const std::string& name) {
    return fs::path(SIGRUN_BUILD_DIR) / "tests/fixtures/plugins" / (name + ".so");
}

inline std::string content_of(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

class plugin_folder {
public:
    plugin_folder() {
        std::string path = (fs::temp_directory_path() / "sigrun-plugins-XXXXXX").string();
        if (!mkdtemp(path.data())) throw std::runtime_error("mkdtemp failed");
        root_ = path;
        fs::create_directory(plugins());
    }
    plugin_folder(const plugin_folder&) = delete;
    plugin_folder& operator=(const plugin_folder&) = delete;
    ~plugin_folder() {
        std::error_code ignored;
        fs::remove_all(root_, ignored);
    }

    fs::path plugins() const { return root_ / "plugins"; }
    fs::path state() const { return root_ / "state"; }
    /// Copies a fixture plugin, by default under its own name.
    fs::path add(const std::string& fixture, const std::string& as = "") {
        fs::path to = plugins() / ((as.empty() ? fixture : as) + ".so");
        fs::create_directories(to.parent_path());
        fs::copy_file(fixture_plugin(fixture), to, fs::copy_options::overwrite_existing);
        return to;
    }
    fs::path write(const std::string& name, std::string_view bytes) {
        fs::path to = plugins() / name;
        std::ofstream(to, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
        return to;
    }
    plugin_host_options options() const {
        return {.plugin_dir = plugins().string(), .state_dir = state().string(), .program = "test"};
    }

private:
    fs::path root_;
};

inline settings ini(std::string_view text) { return settings::parse(text, "test.ini").value(); }

/// What a plain plugin's code says of itself.
inline std::uint32_t number_of(const instance& which) { return which.table<sigrun_probe>(SIGRUN_KIND_PROBE)->soft_ms; }

inline const plugin_info* info_of(const std::vector<plugin_info>& plugins, const std::string& file_name) {
    for (const auto& each : plugins)
        if (fs::path(each.file).filename() == file_name + ".so") return &each;
    return nullptr;
}

}  // namespace sigrun::testing

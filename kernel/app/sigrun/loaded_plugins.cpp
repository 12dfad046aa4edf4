#include "kernel/app/sigrun/loaded_plugins.hpp"

#include "kernel/app/sigrun/failure.hpp"

#include <stdlib.h>

#include <cstdlib>
#include <filesystem>

namespace sigrun::cli {
namespace {

std::string make_state_dir() {
    const char* base = std::getenv("TMPDIR");
    std::string path = std::string(base && *base ? base : "/tmp") + "/sigrun-cli-XXXXXX";
    if (!::mkdtemp(path.data()))
        throw failure(make_problem(errc::io, "cannot make a temporary folder " + path),
                      "set TMPDIR to a writable folder");
    return path;
}

}  // namespace

settings no_settings() { return need(settings::parse("", "defaults")); }

loaded_plugins::loaded_plugins(const std::string& plugin_dir, std::vector<std::string> kinds, const settings& config)
    : state_dir_(make_state_dir()) {
    plugin_host_options options;
    options.plugin_dir = plugin_dir;
    options.state_dir = state_dir_;
    options.program = "sigrun";
    options.kinds = std::move(kinds);
    host_ = std::make_unique<plugin_host>(options, config, metrics_);
}

void loaded_plugins::load() {
    auto loaded = host_->load_all();
    // What is mapped stays usable without its file, and nothing is left behind however the program ends.
    std::error_code ignored;
    std::filesystem::remove_all(state_dir_, ignored);
    if (!loaded) throw failure(loaded.error());
}

void loaded_plugins::start() {
    if (auto started = host_->start_all(); !started) throw failure(started.error());
}

loaded_plugins::~loaded_plugins() {
    host_->shutdown();
    host_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(state_dir_, ignored);
}

}  // namespace sigrun::cli

#include "kernel/app/sigrun/loaded_plugins.hpp"

#include "kernel/app/sigrun/failure.hpp"
#include "kernel/log/log.hpp"

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

loaded_plugins::loaded_plugins(const std::string& plugin_dir, std::vector<std::string> kinds, const settings& config,
                               bool quiet)
    : state_dir_(make_state_dir()), quiet_(quiet) {
    plugin_host_options options;
    options.plugin_dir = plugin_dir;
    options.state_dir = state_dir_;
    options.program = "sigrun";
    options.kinds = std::move(kinds);
    host_ = std::make_unique<plugin_host>(options, config, metrics_);
}

void loaded_plugins::load() {
    // Below every level: a file that the daemon refuses too is told by `sigrun plugin ls`, not by each command.
    if (quiet_) set_log_level(static_cast<log_level>(0));
    auto loaded = host_->load_all();
    if (quiet_) set_log_level(log_level::error);
    // What is mapped stays usable without its file, and nothing is left behind however the program ends.
    std::error_code ignored;
    std::filesystem::remove_all(state_dir_, ignored);
    if (!loaded) throw failure(loaded.error());
}

void loaded_plugins::start() {
    if (auto started = host_->start_all(); !started) throw failure(started.error());
}

std::string loaded_plugins::refused() const {
    std::string out;
    for (const auto& each : host_->plugins())
        // What has components was read, and left alone because nothing of its kind is wanted.
        if (!each.active && !each.reason.empty() && each.components.empty())
            out += (out.empty() ? "" : "\n") + each.file + ": " + each.reason;
    return out;
}

loaded_plugins::~loaded_plugins() {
    host_->shutdown();
    host_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(state_dir_, ignored);
}

}  // namespace sigrun::cli

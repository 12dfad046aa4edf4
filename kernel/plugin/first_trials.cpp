#include "kernel/plugin/first_trials.hpp"

#include "kernel/guard/ed25519.hpp"
#include "kernel/log/loggers.hpp"

#include <filesystem>
#include <fstream>

namespace sigrun {
namespace {

// Of versions that came and went; then all are forgotten, and those that are still there tried once more.
constexpr std::size_t k_most_remembered = 1000;

}  // namespace

first_trials::first_trials(const std::string& state_dir, std::string program, trial_limits limits)
    : memory_(state_dir.empty() ? std::string() : state_dir + "/tried-plugins"),
      setting_{std::move(program),
               state_dir.empty() ? std::filesystem::temp_directory_path().string() : state_dir + "/stage", limits} {
    if (setting_.program.empty() || memory_.empty()) return;
    std::ifstream in(memory_);
    for (std::string line; std::getline(in, line) && good_.size() < k_most_remembered;)
        if (line.size() == 64) good_.insert(line);
    if (good_.size() < k_most_remembered) return;
    std::error_code ignored;
    std::filesystem::remove(memory_, ignored);
    good_.clear();
}

void first_trials::try_together(const std::vector<std::string>& files) {
    if (setting_.program.empty()) return;
    std::vector<std::string_view> unknown;
    std::vector<std::string> hashes;
    for (const auto& bytes : files) {
        std::string sha256 = sha256_hex(bytes);
        if (good_.contains(sha256)) continue;
        unknown.push_back(bytes);
        hashes.push_back(std::move(sha256));
    }
    // One alone is tried by pass(), which says what is wrong with it.
    if (unknown.size() < 2 || !try_plugins(unknown, setting_)) return;
    for (const auto& sha256 : hashes) remember(sha256);
}

result<void> first_trials::pass(std::string_view bytes) {
    if (setting_.program.empty()) return {};
    const std::string sha256 = sha256_hex(bytes);
    if (good_.contains(sha256)) return {};
    auto tried = try_plugin(bytes, setting_);
    if (tried) {
        remember(sha256);
    } else if (tried.error().code == errc::io) {
        // No room or no process for a trial is not the plugin's fault, and a program without plugins helps nobody.
        SIGRUN_LOG(logs::plugin, warning, "a plugin is loaded without trial: ", tried.error().text());
        return {};
    }
    return tried;
}

void first_trials::remember(const std::string& sha256) {
    good_.insert(sha256);
    if (memory_.empty()) return;
    std::ofstream out(memory_, std::ios::app);
    out << sha256 << "\n";
    if (!out.flush())
        SIGRUN_LOG(logs::plugin, warning, "cannot write ", memory_, ": plugins are tried again at the next start");
}

}  // namespace sigrun

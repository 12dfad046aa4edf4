#include "kernel/plugin/first_trials.hpp"

#include "kernel/guard/ed25519.hpp"
#include "kernel/log/log.hpp"
#include "kernel/plugin/trial.hpp"

#include <filesystem>
#include <fstream>

namespace sigrun {
namespace {

const auto k_log = logger::get("plugin");
// Of versions that came and went; a file that is forgotten is tried once more.
constexpr std::size_t k_most_remembered = 1000;

}  // namespace

first_trials::first_trials(const std::string& state_dir, std::string program, nanoseconds limit)
    : memory_(state_dir.empty() ? std::string() : state_dir + "/tried-plugins"),
      scratch_(state_dir.empty() ? std::filesystem::temp_directory_path().string() : state_dir + "/stage"),
      program_(std::move(program)),
      limit_(limit) {
    if (program_.empty() || memory_.empty()) return;
    std::ifstream in(memory_);
    for (std::string line; std::getline(in, line) && good_.size() < k_most_remembered;)
        if (line.size() == 64) good_.insert(line);
}

void first_trials::try_together(const std::vector<std::string>& files) {
    if (program_.empty()) return;
    std::vector<std::string_view> unknown;
    std::vector<std::string> hashes;
    for (const auto& bytes : files) {
        std::string sha256 = sha256_hex(bytes);
        if (good_.contains(sha256)) continue;
        unknown.push_back(bytes);
        hashes.push_back(std::move(sha256));
    }
    // One alone is tried by pass(), which says what is wrong with it.
    if (unknown.size() < 2 || !try_plugins(unknown, program_, scratch_, limit_)) return;
    for (const auto& sha256 : hashes) remember(sha256);
}

result<void> first_trials::pass(std::string_view bytes) {
    if (program_.empty()) return {};
    const std::string sha256 = sha256_hex(bytes);
    if (good_.contains(sha256)) return {};
    auto tried = try_plugins({bytes}, program_, scratch_, limit_);
    if (tried) {
        remember(sha256);
    } else if (tried.error().code == errc::io) {
        // No room or no process for a trial is not the plugin's fault, and a program without plugins helps nobody.
        SIGRUN_LOG(k_log, warning, "a plugin is loaded without trial: ", tried.error().text());
        return {};
    }
    return tried;
}

void first_trials::remember(const std::string& sha256) {
    good_.insert(sha256);
    if (memory_.empty()) return;
    std::ofstream out(memory_, good_.size() > k_most_remembered ? std::ios::trunc : std::ios::app);
    out << sha256 << "\n";
    if (!out.flush())
        SIGRUN_LOG(k_log, warning, "cannot write ", memory_, ": plugins are tried again at the next start");
}

}  // namespace sigrun

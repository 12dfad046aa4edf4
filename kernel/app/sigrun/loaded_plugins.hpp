// The plugins a short-lived program needs, loaded and started, gone again at its end. For the main thread.
#pragma once

#include "kernel/config/settings.hpp"
#include "kernel/metrics/metrics.hpp"
#include "kernel/plugin/plugin_host.hpp"

#include <memory>
#include <string>
#include <vector>

namespace sigrun::cli {

/// A plugin host for a short-lived program: plugins of `kinds` loaded with their defaults (or `config`), its
/// staged copies gone from the disk again. Throws failure.
class loaded_plugins {
public:
    /// `quiet`: refused files are not told on stderr, but by refused().
    loaded_plugins(const std::string& plugin_dir, std::vector<std::string> kinds, const settings& config,
                   bool quiet = false);
    ~loaded_plugins();
    loaded_plugins(const loaded_plugins&) = delete;
    loaded_plugins& operator=(const loaded_plugins&) = delete;
    void load();
    void start();
    plugin_host& host() noexcept { return *host_; }
    /// What was refused and why, one "FILE: REASON" per line; empty if nothing was.
    std::string refused() const;

private:
    metrics metrics_;
    std::string state_dir_;
    bool quiet_;
    std::unique_ptr<plugin_host> host_;
};

/// Settings with nothing set.
settings no_settings();

}  // namespace sigrun::cli

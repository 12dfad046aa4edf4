// The plugins and instances of one plugin_host: which files were loaded or rejected and why, and what was
// created from them. Filled by one thread at start; read under a mutex afterwards.
#pragma once

#include "kernel/plugin/catalogue.hpp"
#include "kernel/plugin/generation.hpp"
#include "kernel/plugin/plugin_host.hpp"

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace sigrun {

class plugin_set {
public:
    plugin_set(const plugin_host_options& options, const settings& config, std::shared_ptr<runtime> rt)
        : options_(options), config_(config), rt_(std::move(rt)) {}

    result<void> load();
    std::vector<std::shared_ptr<instance>> all() const;  // in order of creation
    std::vector<plugin_info> infos() const;
    std::vector<documented_section> documented() const;
    /// Gives up every instance; the caller destroys them.
    std::vector<std::shared_ptr<instance>> release_instances();
    /// Lets go of the code, newest first.
    void unload();

private:
    enum class state { active, rejected, disabled, not_needed };
    struct record {
        std::string short_name;
        plugin_info info;
        state now = state::active;
        std::shared_ptr<generation> code;
    };
    struct choice {  // one component to create an instance of
        record* plugin;
        const component_record* component;
    };

    result<void> read_switches();
    result<void> load_file(const plugin_file& file);
    result<void> admit(record& to, const plugin_file& file);
    void reject(record& which, const std::string& reason);
    bool enabled(const std::string& name, std::string& origin) const;
    bool wanted(const std::string& instance_name, const std::string& component) const;
    result<void> configured_instances();
    void default_instances();
    result<std::optional<choice>> choose(const config_section& section, const std::string& name);
    void create(const choice& what, const std::string& name, const sigrun_config& config);
    record* find_plugin(std::string_view name);
    result<void> unknown_plugin(const std::string& field, const std::string& name, const std::string& origin) const;

    const plugin_host_options& options_;
    const settings& config_;
    std::shared_ptr<runtime> rt_;
    std::optional<stage> stage_;
    std::vector<std::pair<std::string, std::string>> switched_off_;  // name, origin
    std::vector<std::string> configured_;                            // "plugin id:component" with a section of its own

    mutable std::mutex mutex_;
    std::vector<std::unique_ptr<record>> records_;
    std::vector<std::shared_ptr<instance>> instances_;
};

}  // namespace sigrun

// The plugins and instances of one plugin_host: which files were loaded or rejected and why, and what was
// created from them. Changed by one thread at a time (at start, then the control thread); read under a mutex.
#pragma once

#include "kernel/plugin/catalogue.hpp"
#include "kernel/plugin/generation.hpp"
#include "kernel/plugin/plugin_host.hpp"

#include <functional>
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
    /// Gives up every instance, also of replaced generations; the caller destroys them.
    std::vector<std::shared_ptr<instance>> release_instances();

    // plugin_replacement.cpp
    /// What a plugin's file holds now, read once and checked.
    struct examined {
        std::string id;  // of the plugin
        bool changed = false;
        std::string bytes, sha256;
        plugin_identity identity;
        reload_report report;
    };
    struct replacement {
        std::size_t record = 0;
        std::shared_ptr<class generation> code;
        std::vector<std::pair<std::shared_ptr<instance>, std::shared_ptr<instance>>> instances;  // old, started new
        plugin_info info;
        reload_report report;
    };
    /// [any] Everything that can be found out without running its code here. `replaceable` says which kinds can be swapped.
    result<examined> examine(std::string_view name,
                             const std::function<bool(std::string_view kind)>& replaceable) const;
    /// [ctl] The standby; nothing of the running one is touched.
    result<replacement> prepare(const examined& file);
    /// Keeps why a replacement was refused, to be shown with the plugin that goes on.
    void note_refusal(std::string_view name, const problem& why);
    /// The new instances are what all() returns from here on; the old ones begin to retire.
    void commit(replacement& what);
    /// Destroys retiring instances that nobody holds any more, and lets go of their code. True while some are left.
    bool reap();
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
    struct retiring {
        std::size_t record;
        std::string version;
        std::uint64_t generation;
        std::shared_ptr<class generation> code;
        std::vector<std::shared_ptr<instance>> instances;
        time_point since;
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
    record* find_plugin(std::string_view name) const;
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
    std::vector<retiring> retiring_;
};

}  // namespace sigrun

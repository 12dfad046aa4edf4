// Which components become instances: those with an [instance NAME] section, and one with defaults of every
// other.
#include "kernel/log/loggers.hpp"
#include "kernel/plugin/plugin_set.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>

namespace sigrun {
namespace {

void warn_of_deprecated(const config_section& section, const component_record& component) {
    for (const auto& option : component.options) {
        auto found = section.values.find(sdk::view(option.key));
        if ((option.flags & SIGRUN_OPT_DEPRECATED) && found != section.values.end())
            SIGRUN_LOG(logs::plugin, warning, section.name, ".", found->first, " is deprecated (", found->second.origin,
                       "): ", sdk::view(option.doc));
    }
}

}  // namespace

bool plugin_set::wanted(const std::string& instance_name, const std::string& component) const {
    if (options_.only.empty()) return true;
    return std::any_of(options_.only.begin(), options_.only.end(),
                       [&](const std::string& name) { return name == instance_name || name == component; });
}

result<std::optional<plugin_set::choice>> plugin_set::choose(const config_section& section, const std::string& name) {
    std::string written, origin = section.origin;
    if (auto found = section.values.find("component"); found != section.values.end()) {
        written = found->second.value;
        origin = found->second.origin;
    } else {
        // Without the key the section configures the component of its own name: the one that would exist
        // anyway.
        for (const auto& each : records_)
            for (const auto& component : each->info.components)
                if (component.id == name) written = each->short_name + ":" + component.id;
        // A plugin that is not in use here has no components to look through; its file name may tell.
        if (written.empty() && find_plugin(name)) written = name + ":" + name;
    }
    const std::string field = section.name + ".component";
    const std::size_t colon = written.find(':');
    if (colon == std::string::npos || colon == 0 || colon + 1 == written.size())
        return bad_value(field, "plugin:component, e.g. http:http", "\"" + written + "\" (" + origin + ")");
    const std::string plugin_name = written.substr(0, colon);
    const std::string component_name = written.substr(colon + 1);
    record* plugin = find_plugin(plugin_name);
    if (!plugin) return unknown_plugin(field, plugin_name, origin).error();
    if (plugin->now != state::active) {
        SIGRUN_LOG(logs::plugin, info, section.name, " is not created: plugin ", plugin_name, " ", plugin->info.reason);
        return std::optional<choice>();
    }
    std::vector<std::string> names;
    for (const auto& component : plugin->code->descriptor().components) {
        if (component.id == component_name) return std::optional<choice>({plugin, &component});
        names.push_back(component.id);
    }
    const std::string near = nearest_name(component_name, names);
    return bad_value(field, near.empty() ? "a component of " + plugin_name : "\"" + plugin_name + ":" + near + "\"",
                     "\"" + written + "\" (" + origin + ")");
}

result<void> plugin_set::configured_instances() {
    for (const config_section* section : config_.of_kind("instance")) {
        const std::string name = section->name.substr(section->name.find(' ') + 1);
        SIGRUN_TRY(chosen, choose(*section, name));
        if (!chosen) continue;
        configured_.push_back(chosen->plugin->info.id + ":" + chosen->component->id);
        SIGRUN_TRY(values,
                   bound_section::bind(section, chosen->component->options, k_kernel_keys, 1, options_.state_dir));
        warn_of_deprecated(*section, *chosen->component);
        if (wanted(name, chosen->component->id)) create(*chosen, name, values);
    }
    return {};
}

void plugin_set::default_instances() {
    for (const auto& each : records_) {
        if (each->now != state::active) continue;
        const auto code = each->code;  // create may reject the plugin
        for (const auto& component : code->descriptor().components) {
            if (each->now != state::active) break;
            if (std::find(configured_.begin(), configured_.end(), each->info.id + ":" + component.id) !=
                configured_.end())
                continue;
            if (!wanted(component.id, component.id)) continue;
            auto values = bound_section::bind(nullptr, component.options, {}, 1, options_.state_dir);
            if (!values) {
                SIGRUN_LOG(logs::plugin, info, each->short_name, ":", component.id,
                           " has no instance: it needs an [instance] section with ", values.error().text());
                continue;
            }
            std::string name = component.id;
            for (const auto& other : instances_)
                if (other->name() == name) name = each->short_name + "-" + component.id;
            create({each.get(), &component}, name, *values);
        }
    }
}

std::shared_ptr<instance> plugin_set::known_as(std::string_view name) const {
    std::shared_ptr<instance> by_component, by_plugin;
    for (auto& each : all()) {
        if (each->name() == name) return each;
        if (!by_component && each->component() == name) by_component = each;
        if (!by_plugin && each->plugin_id() == name) by_plugin = each;
    }
    return by_component ? by_component : by_plugin;
}

void plugin_set::create(const choice& what, const std::string& name, std::shared_ptr<const bound_section> values) {
    record& plugin = *what.plugin;
    auto made = generation::create(plugin.code, *what.component, name, *values->abi());
    if (made) {
        (*made)->set_values(std::move(values));
        std::lock_guard lock(mutex_);
        for (auto& component : plugin.info.components)
            if (component.id == what.component->id) component.instances.push_back(name);
        instances_.push_back(*made);
        return;
    }
    const std::string reason = "instance " + name + " of component " + what.component->id + ": " + made.error().text();
    const bool others = std::any_of(instances_.begin(), instances_.end(),
                                    [&](const auto& i) { return i->plugin_id() == plugin.info.id; });
    if (!others) return reject(plugin, reason);
    SIGRUN_LOG(logs::plugin, error, "plugin ", plugin.info.file, ": ", reason);
    std::lock_guard lock(mutex_);
    plugin.info.reason = reason;
}

}  // namespace sigrun

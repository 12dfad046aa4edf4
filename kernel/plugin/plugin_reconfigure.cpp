// Which instances another configuration asks for, and the exchange of instances within a generation. The order of
// things is reconfigurer.cpp's.
#include "kernel/plugin/plugin_set.hpp"

#include <algorithm>
#include <set>

namespace sigrun {
namespace {

std::string name_of(const config_section& section) { return section.name.substr(section.name.find(' ') + 1); }

}  // namespace

result<plugin_set::wanted_set> plugin_set::wanted_instances(const settings& config) {
    SIGRUN_TRY(written, read_switches(config));
    for (const auto& each : written)
        if (!find_plugin(each.name)) return unknown_plugin("plugin " + each.name, each.name, each.origin).error();

    wanted_set out;
    std::set<std::pair<const record*, std::string>> configured;
    for (const config_section* section : config.of_kind("instance")) {
        const std::string name = name_of(*section);
        SIGRUN_TRY(chosen, choose(*section, name));
        if (!chosen) {
            out.unused.push_back(section->name);
            for (const auto& [key, value] : section->values)
                if (key != "component") out.secrets.push_back(section->name + "." + key);
            continue;
        }
        configured.emplace(chosen->plugin, chosen->component->id);
        SIGRUN_TRY(values,
                   bound_section::bind(section, chosen->component->options, k_kernel_keys, 1, options_.state_dir));
        for (const auto& key : values->secret_keys()) out.secrets.push_back(section->name + "." + key);
        if (wanted(name, chosen->component->id))
            out.instances.push_back(
                {name, index_of(*chosen->plugin), chosen->plugin->code, chosen->component, values, true});
    }
    for (const auto& each : records_) {
        if (each->now != state::active) continue;
        for (const auto& component : each->code->descriptor().components) {
            if (configured.contains({each.get(), component.id}) || !wanted(component.id, component.id)) continue;
            auto values = bound_section::bind(nullptr, component.options, {}, 1, options_.state_dir);
            if (!values) continue;  // it needs a section of its own
            std::string name = component.id;
            for (const auto& other : out.instances)
                if (other.name == name) name = each->short_name + "-" + component.id;
            out.instances.push_back({name, index_of(*each), each->code, &component, *values, false});
        }
    }
    return out;
}

std::vector<std::string> plugin_set::changed_switches(const settings& config) const {
    std::set<std::string> names;
    for (const settings* each : {&first_config_, &config})
        for (const config_section* section : each->of_kind("plugin")) names.insert(section->name);
    std::vector<std::string> out;
    for (const auto& name : names) {
        auto values = [&](const settings& from) {
            std::vector<std::pair<std::string, std::string>> list;
            if (const auto* section = from.find(name))
                for (const auto& [key, value] : section->values) list.emplace_back(key, value.value);
            return list;
        };
        if (values(first_config_) != values(config)) out.push_back(name);
    }
    return out;
}

result<std::shared_ptr<instance>> plugin_set::create_and_start(const wanted_instance& what) {
    SIGRUN_TRY(made, generation::create(what.code, *what.component, what.name, *what.values->abi()));
    made->set_values(what.values);
    SIGRUN_CHECK_OK(start_instance(*made));
    return made;
}

void plugin_set::include(const std::shared_ptr<instance>& fresh) {
    std::lock_guard lock(mutex_);
    instances_.push_back(fresh);
    rt_->exchange->look_again();
    if (auto* plugin = find_plugin(fresh->plugin_id()))
        for (auto& component : plugin->info.components)
            if (component.id == fresh->component()) component.instances.push_back(fresh->name());
}

void plugin_set::exclude(const std::shared_ptr<instance>& fresh) {
    std::lock_guard lock(mutex_);
    std::erase(instances_, fresh);
    rt_->exchange->look_again();
    if (auto* plugin = find_plugin(fresh->plugin_id()))
        for (auto& component : plugin->info.components)
            if (component.id == fresh->component()) std::erase(component.instances, fresh->name());
}

void plugin_set::commit(const settings& config, const std::vector<exchange>& exchanges) {
    for (const auto& [old, now] : exchanges)
        if (!now) exclude(old);
    std::lock_guard lock(mutex_);
    config_ = config;
    for (const auto& [old, now] : exchanges)
        if (now) std::replace(instances_.begin(), instances_.end(), old, now);
    rt_->exchange->look_again();
}

void plugin_set::retire(const std::vector<exchange>& exchanges) {
    std::lock_guard lock(mutex_);
    for (const auto& [old, now] : exchanges) {
        const auto* plugin = find_plugin(old->plugin_id());
        if (!plugin) continue;
        retiring_.push_back({index_of(*plugin),
                             plugin->info,
                             plugin->code,
                             {old},
                             plugin_state::draining,
                             std::chrono::steady_clock::now(),
                             true});
    }
}

}  // namespace sigrun

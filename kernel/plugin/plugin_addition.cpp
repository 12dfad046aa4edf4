// Plugins that come and go while the program runs, and pins.
#include "kernel/log/loggers.hpp"
#include "kernel/plugin/plugin_set.hpp"

#include <sigrun/protocol.h>
#include <sigrun/store.h>

#include <algorithm>

namespace sigrun {
namespace {

/// The component an [instance NAME] section belongs to, as written; a section without the key configures the component of
/// its own name.
std::pair<std::string, std::string> component_of(const config_section& section) {
    const std::string name = section.name.substr(section.name.find(' ') + 1);
    auto found = section.values.find("component");
    if (found == section.values.end()) return {"", name};
    const std::string& written = found->second.value;
    const auto colon = written.find(':');
    if (colon == std::string::npos) return {written, ""};
    return {written.substr(0, colon), written.substr(colon + 1)};
}

}  // namespace

result<plugin_set::addition> plugin_set::prepare_addition(const examined& file) {
    addition made;
    made.report = file.report;
    record* known = find_file(file.file);
    made.info.file = file.file;
    const std::string short_name = stem_of(file.file);
    SIGRUN_TRY(code, open(file.bytes, file.sha256, file.signature, file.identity, short_name));
    describe(made.info, *code);
    made.info.signed_by = file.signed_by;
    made.report.new_version = made.info.version;
    made.report.new_generation = code->number();
    const auto& descriptor = code->descriptor();
    if (needed(descriptor)) SIGRUN_CHECK_OK(code->start());
    std::vector<std::string> configured;
    auto make = [&](const component_record& component, const std::string& name,
                    const config_section* section) -> result<void> {
        if (!wanted(name, component.id)) return {};
        SIGRUN_TRY(values, bound_section::bind(section, component.options, k_kernel_keys, 1, options_.state_dir));
        SIGRUN_TRY(standby, generation::create(code, component, name, *values->abi()));
        standby->set_values(values);
        SIGRUN_CHECK_OK(start_instance(*standby));
        made.instances.push_back(std::move(standby));
        for (auto& part : made.info.components)
            if (part.id == component.id) part.instances.push_back(name);
        return {};
    };
    for (const config_section* section : config_.of_kind("instance")) {
        const auto [plugin, part] = component_of(*section);
        if (!plugin.empty() && plugin != short_name && plugin != file.id) continue;
        for (const auto& component : descriptor.components) {
            if (component.id != part || !needed(descriptor)) continue;
            configured.push_back(component.id);
            SIGRUN_CHECK_OK(make(component, section->name.substr(section->name.find(' ') + 1), section));
        }
    }
    for (const auto& component : descriptor.components) {
        if (!needed(descriptor)) break;
        if (std::find(configured.begin(), configured.end(), component.id) != configured.end()) continue;
        std::string name = component.id;
        for (const auto& other : instances_)
            if (other->name() == name) name = short_name + "-" + component.id;
        SIGRUN_CHECK_OK(make(component, name, nullptr));
    }
    std::lock_guard lock(mutex_);
    if (!known) {
        auto fresh = std::make_unique<record>();
        fresh->short_name = short_name;
        fresh->info.file = file.file;
        fresh->now = state::removed;
        records_.push_back(std::move(fresh));
        known = records_.back().get();
    }
    made.record = index_of(*known);
    if (needed(descriptor)) made.code = std::move(code);
    return made;
}

void plugin_set::commit(addition& what) {
    std::lock_guard lock(mutex_);
    record& place = *records_[what.record];
    place.info = std::move(what.info);
    place.code = what.code;
    place.since = std::chrono::steady_clock::now();
    place.now = what.code ? state::active : state::not_needed;
    place.info.active = what.code != nullptr;
    instances_.insert(instances_.end(), what.instances.begin(), what.instances.end());
    rt_->exchange->look_again();
    if (place.info.active)
        SIGRUN_LOG(logs::plugin, info, "plugin ", place.info.id, " ", place.info.version, " was loaded from ",
                   place.info.file);
}

result<plugin_set::departure> plugin_set::removable(std::string_view name, bool force) const {
    std::lock_guard lock(mutex_);
    const record* which = find_file(name);
    if (!which) which = find_plugin(name);
    if (!which || which->now == state::removed)
        return problem{errc::not_found, "no such plugin", "id", "the id or file name of a plugin",
                       "\"" + std::string(name.substr(0, 80)) + "\""};
    departure out{index_of(*which), which->info.id, which->info.version, which->info.file, which->info.generation, {}};
    if (which->now != state::active) return out;
    for (const auto& each : instances_)
        if (each->plugin_id() == out.id) out.instances.push_back(each);
    for (const auto& each : out.instances) {
        const auto others = std::count_if(instances_.begin(), instances_.end(), [&](const auto& other) {
            return other->kind() == each->kind() && other->plugin_id() != out.id;
        });
        if (!others && (each->kind() == SIGRUN_KIND_PROTOCOL || each->kind() == SIGRUN_KIND_STORE))
            return problem{errc::conflict, "nothing could be done without it", "id",
                           "a plugin that is not the last of " + each->kind(), out.id};
    }
    if (force) return out;
    for (const config_section* section : config_.of_kind("instance"))
        for (const auto& each : out.instances)
            if (section->name == "instance " + each->name())
                return problem{errc::conflict, "the configuration names it; --force removes it all the same", "id",
                               "a plugin without a section of its own",
                               "[" + section->name + "] (" + section->origin + ")"};
    for (const auto& each : switches_)
        if (each.name == which->short_name || each.name == out.id)
            return problem{errc::conflict, "the configuration names it; --force removes it all the same", "id",
                           "a plugin without a section of its own", "[plugin " + each.name + "] (" + each.origin + ")"};
    return out;
}

void plugin_set::take_out(const departure& what) {
    std::lock_guard lock(mutex_);
    record& place = *records_[what.record];
    place.info.newest.reset();
    place.info.reason = "removed";
    place.info.active = false;
    if (place.now == state::active) {
        for (const auto& each : what.instances) std::erase(instances_, each);
        rt_->exchange->look_again();
        retiring_.push_back({what.record, place.info, std::move(place.code), what.instances, plugin_state::draining,
                             std::chrono::steady_clock::now()});
        SIGRUN_LOG(logs::plugin, info, "plugin ", what.id, " ", what.version, " was taken out of service");
    }
    place.now = state::removed;
    place.info.components.clear();  // their texts go with the code
}

result<void> plugin_set::pin(std::string_view name, bool pinned) {
    std::string id, sha256, copy, signature;
    {
        std::lock_guard lock(mutex_);
        const record* which = find_plugin(name);
        if (!which) which = find_file(name);
        if (!which || which->now != state::active)
            return problem{errc::not_found, "no such plugin in use", "id", "the id or file name of a plugin that runs",
                           "\"" + std::string(name.substr(0, 80)) + "\""};
        id = which->info.id;
        sha256 = which->info.sha256;
        copy = which->code->staged();
        signature = which->code->signature();
    }
    return pinned ? pins_.add(id, sha256, copy, signature) : pins_.remove(id);
}

}  // namespace sigrun

#include "kernel/plugin/plugin_set.hpp"

#include <sigrun/cpp/options.hpp>
#include <sigrun/cpp/text.hpp>

#include <algorithm>

namespace sigrun {
namespace {

const auto k_log = logger::get("plugin");

constexpr sigrun_opt k_plugin_options[] = {
    sdk::option("enabled", SIGRUN_OPT_BOOL, {.def = "yes", .doc = "no: the file is not loaded"}),
    sdk::option(
        "unload", SIGRUN_OPT_CHOICE,
        {.def = "auto",
         .doc = "auto: the code of a replaced version is unmapped once nothing of it can run; never: it stays mapped",
         .choices = "auto,never"}),
};

bool contains(const std::vector<std::string>& list, const std::string& word) {
    return std::find(list.begin(), list.end(), word) != list.end();
}

constexpr const char* k_not_needed = "has no component of a kind that this program uses";

}  // namespace

result<void> plugin_set::load() {
    SIGRUN_TRY(opened, stage::open(options_.state_dir));
    stage_.emplace(std::move(opened));
    SIGRUN_CHECK_OK(read_switches());
    SIGRUN_TRY(files, find_plugin_files(options_.plugin_dir));
    try_new_ones(files);
    for (const auto& file : files) SIGRUN_CHECK_OK(load_file(file));
    for (const auto& each : switches_)
        if (!find_plugin(each.name)) return unknown_plugin("plugin " + each.name, each.name, each.origin);
    SIGRUN_CHECK_OK(configured_instances());
    default_instances();
    return {};
}

void plugin_set::try_new_ones(const std::vector<plugin_file>& files) {
    // A start may wait longer than a reload: the machine may be starting, too.
    trials_.emplace(options_.state_dir, options_.trial_program, 3 * options_.trial_time);
    if (options_.trial_program.empty()) return;
    std::vector<std::string> contents;
    for (const auto& file : files) {
        const switches* found = switches_of(file.name);
        if (found && !found->enabled) continue;
        auto bytes = read_plugin_file(file.path);
        if (bytes && inspect_plugin(*bytes)) contents.push_back(std::move(*bytes));
    }
    trials_->try_together(contents);
}

result<void> plugin_set::read_switches() {
    for (const config_section* section : config_.of_kind("plugin")) {
        SIGRUN_TRY(values, bound_section::bind(section, k_plugin_options));
        const std::string name = section->name.substr(section->name.find(' ') + 1);
        switches_.push_back({name, section->origin, values->boolean("enabled"), values->text("unload") == "never"});
    }
    return {};
}

const plugin_set::switches* plugin_set::switches_of(const std::string& name) const {
    for (const auto& each : switches_)
        if (each.name == name) return &each;
    return nullptr;
}

result<void> plugin_set::load_file(const plugin_file& file) {
    auto made = std::make_unique<record>();
    made->short_name = file.name;
    made->info.file = file.path;
    auto admitted = admit(*made, file);
    // Without room for the copies each plugin would be missing by chance.
    if (!admitted && admitted.error().field == k_stage_field) return admitted.error();
    if (!admitted) reject(*made, admitted.error().text());
    std::lock_guard lock(mutex_);
    records_.push_back(std::move(made));
    return {};
}

result<void> plugin_set::admit(record& to, const plugin_file& file) {
    bool keep_mapped = false;
    auto switched_off = [&](const std::string& name) {
        const switches* found = switches_of(name);
        keep_mapped = keep_mapped || (found && found->keep_mapped);
        if (!found || found->enabled) return false;
        to.now = state::disabled;
        to.info.reason = "switched off in " + found->origin;
        return true;
    };
    if (switched_off(file.name)) return {};
    SIGRUN_TRY(bytes, read_plugin_file(file.path));
    SIGRUN_TRY(identity, inspect_plugin(bytes));
    to.info.id = identity.id;
    to.info.version = identity.version;
    if (switched_off(identity.id)) return {};
    if (auto other = instead_of(identity.id, bytes); !other.refusal.empty()) {
        if (other.instead.empty()) return make_problem(errc::forbidden, other.refusal);
        SIGRUN_TRY(other_bytes, read_plugin_file(other.instead));
        SIGRUN_TRY(other_identity, inspect_plugin(other_bytes));
        if (other_identity.id != identity.id) return bad_value(other.instead, identity.id, other_identity.id);
        to.info.reason = "the file is not used: " + other.refusal;
        to.info.newest = newest_info{identity.version, sha256_hex(bytes), other.refusal, plugin_state::rejected};
        bytes = std::move(other_bytes);
        identity = std::move(other_identity);
    }
    for (const auto& other : records_)
        if (other->info.id == identity.id && other->now == state::active)
            return bad_value("id", "a plugin that is not loaded yet", identity.id + " (" + other->info.file + ")");

    SIGRUN_CHECK_OK(trials_->pass(bytes));
    SIGRUN_TRY(code, generation::open(bytes, identity, *stage_, rt_, options_.program));
    if (keep_mapped) code->keep_mapped();
    describe(to.info, *code);
    if (!needed(code->descriptor())) {
        to.now = state::not_needed;
        to.info.reason = k_not_needed;
        to.info.components.clear();
        return {};
    }
    SIGRUN_CHECK_OK(code->start());
    to.info.active = true;
    to.code = std::move(code);
    return {};
}

admission plugin_set::instead_of(const std::string& id, std::string_view bytes) const {
    const std::string sha256 = sha256_hex(bytes);
    if (const std::string copy = pins_.copy_of(id); !copy.empty() && pins::sha256_of(copy) != sha256)
        return {"the plugin is pinned to another version", copy};
    return options_.admission ? options_.admission(id, sha256) : admission{};
}

bool plugin_set::needed(const plugin_descriptor& descriptor) const {
    if (options_.kinds.empty()) return true;
    return std::any_of(descriptor.components.begin(), descriptor.components.end(),
                       [&](const auto& component) { return contains(options_.kinds, component.kind); });
}

void plugin_set::describe(plugin_info& info, const generation& code) const {
    const auto& descriptor = code.descriptor();
    info.id = code.identity().id;
    info.version = descriptor.version;
    info.sha256 = code.sha256();
    info.abi = descriptor.abi;
    info.doc = descriptor.doc;
    info.generation = code.number();
    info.components.clear();
    for (const auto& component : descriptor.components)
        info.components.push_back({component.id, component.kind, component.doc, component.options, {}});
}

void plugin_set::reject(record& which, const std::string& reason) {
    SIGRUN_LOG(k_log, error, "plugin ", which.info.file, " rejected: ", reason);
    const auto code = std::move(which.code);  // ends after the lock
    std::lock_guard lock(mutex_);
    which.now = state::rejected;
    which.since = std::chrono::steady_clock::now();
    which.info.active = false;
    which.info.reason = reason;
    which.info.components.clear();  // their texts go with the code
}

// Of several with this name the one that runs: a second file with its id was rejected.
plugin_set::record* plugin_set::find_plugin(std::string_view name) const {
    record* found = nullptr;
    for (const auto& each : records_)
        if (each->short_name == name || each->info.id == name)
            if (!found || (found->now != state::active && each->now == state::active)) found = each.get();
    return found;
}

result<void> plugin_set::unknown_plugin(const std::string& field, const std::string& name,
                                        const std::string& origin) const {
    std::vector<std::string> names;
    for (const auto& each : records_) names.push_back(each->short_name);
    const std::string near = nearest_name(name, names);
    std::string expected = near.empty() ? "a plugin in " + options_.plugin_dir : "\"" + near + "\"";
    return bad_value(field, expected, "\"" + name + "\" (" + origin + ")");
}

std::vector<std::shared_ptr<instance>> plugin_set::all() const {
    std::lock_guard lock(mutex_);
    return instances_;
}

std::vector<documented_section> plugin_set::documented() const {
    std::lock_guard lock(mutex_);
    std::vector<documented_section> out;
    for (const auto& each : records_)
        for (const auto& component : each->info.components)
            out.push_back({"[instance " + component.id + "]  component = " + each->short_name + ":" + component.id,
                           component.doc, component.options});
    return out;
}

std::vector<std::shared_ptr<instance>> plugin_set::release_instances() {
    std::lock_guard lock(mutex_);
    auto all = std::exchange(instances_, {});
    for (auto& old : retiring_)
        for (auto& each : old.instances) all.push_back(std::move(each));
    return all;
}

}  // namespace sigrun

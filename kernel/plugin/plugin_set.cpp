#include "kernel/plugin/plugin_set.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>

namespace sigrun {
namespace {

const auto k_log = logger::get("plugin");

constexpr sigrun_opt k_plugin_options[] = {{sizeof(sigrun_opt),
                                            SIGRUN_OPT_BOOL,
                                            0,
                                            0,
                                            sdk::str("enabled"),
                                            sdk::str("yes"),
                                            sdk::str("no: the file is not loaded"),
                                            {},
                                            {},
                                            0,
                                            0}};

bool contains(const std::vector<std::string>& list, const std::string& word) {
    return std::find(list.begin(), list.end(), word) != list.end();
}

}  // namespace

result<void> plugin_set::load() {
    SIGRUN_TRY(opened, stage::open(options_.state_dir));
    stage_.emplace(std::move(opened));
    SIGRUN_CHECK_OK(read_switches());
    SIGRUN_TRY(files, find_plugin_files(options_.plugin_dir));
    for (const auto& file : files) SIGRUN_CHECK_OK(load_file(file));
    for (const auto& [name, origin] : switched_off_)
        if (!find_plugin(name)) return unknown_plugin("plugin " + name, name, origin);
    SIGRUN_CHECK_OK(configured_instances());
    default_instances();
    return {};
}

result<void> plugin_set::read_switches() {
    for (const config_section* section : config_.of_kind("plugin")) {
        SIGRUN_TRY(values, bound_section::bind(section, k_plugin_options));
        const std::string name = section->name.substr(section->name.find(' ') + 1);
        if (!values->boolean("enabled")) switched_off_.emplace_back(name, section->origin);
    }
    return {};
}

bool plugin_set::enabled(const std::string& name, std::string& origin) const {
    for (const auto& [off, where] : switched_off_)
        if (off == name) {
            origin = where;
            return false;
        }
    return true;
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
    std::string origin;
    auto switched_off = [&](const std::string& name) {
        if (enabled(name, origin)) return false;
        to.now = state::disabled;
        to.info.reason = "switched off in " + origin;
        return true;
    };
    if (switched_off(file.name)) return {};
    SIGRUN_TRY(bytes, read_plugin_file(file.path));
    SIGRUN_TRY(identity, inspect_plugin(bytes));
    to.info.id = identity.id;
    to.info.version = identity.version;
    if (switched_off(identity.id)) return {};
    for (const auto& other : records_)
        if (other->info.id == identity.id && other->now == state::active)
            return bad_value("id", "a plugin that is not loaded yet", identity.id + " (" + other->info.file + ")");

    SIGRUN_TRY(code, generation::open(bytes, identity, *stage_, rt_, options_.program));
    const auto& descriptor = code->descriptor();
    to.info.sha256 = code->sha256();
    to.info.abi = descriptor.abi;
    to.info.doc = descriptor.doc;
    to.info.generation = code->number();
    bool needed = options_.kinds.empty();
    for (const auto& component : descriptor.components) needed = needed || contains(options_.kinds, component.kind);
    if (!needed) {
        to.now = state::not_needed;
        to.info.reason = "has no component of a kind that this program uses";
        return {};
    }
    SIGRUN_CHECK_OK(code->start());
    for (const auto& component : descriptor.components)
        to.info.components.push_back({component.id, component.kind, component.doc, component.options, {}});
    to.info.active = true;
    to.code = std::move(code);
    return {};
}

void plugin_set::reject(record& which, const std::string& reason) {
    SIGRUN_LOG(k_log, error, "plugin ", which.info.file, " rejected: ", reason);
    which.now = state::rejected;
    which.info.active = false;
    which.info.reason = reason;
    which.info.components.clear();  // their texts go with the code
    which.code.reset();
}

plugin_set::record* plugin_set::find_plugin(std::string_view name) const {
    for (const auto& each : records_)
        if (each->short_name == name || each->info.id == name) return each.get();
    return nullptr;
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

std::vector<plugin_info> plugin_set::infos() const {
    std::lock_guard lock(mutex_);
    std::vector<plugin_info> out;
    for (std::size_t i = 0; i < records_.size(); ++i) {
        if (records_[i]->now == state::not_needed) continue;
        out.push_back(records_[i]->info);
        for (const auto& old : retiring_) {
            if (old.record != i) continue;
            std::size_t holders = 0;
            for (const auto& each : old.instances) holders += static_cast<std::size_t>(each.use_count() - 1);
            std::chrono::duration<double> age = std::chrono::steady_clock::now() - old.since;
            out.back().retiring.push_back(
                {old.generation, old.version, std::to_string(holders) + " links or calls", age.count()});
        }
    }
    return out;
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

void plugin_set::unload() {
    std::vector<std::shared_ptr<generation>> codes;
    {
        std::lock_guard lock(mutex_);
        for (auto& old : retiring_) codes.push_back(std::move(old.code));
        retiring_.clear();
        for (auto& each : records_) {
            each->info.active = false;
            each->info.components.clear();
            codes.push_back(std::move(each->code));
        }
    }
    while (!codes.empty()) codes.pop_back();
}

}  // namespace sigrun

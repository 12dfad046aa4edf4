#include "kernel/plugin/plugin_set.hpp"

#include "kernel/log/loggers.hpp"

#include <sigrun/balancer.h>
#include <sigrun/broker.h>
#include <sigrun/cpp/options.hpp>
#include <sigrun/cpp/text.hpp>
#include <sigrun/executor.h>
#include <sigrun/probe.h>
#include <sigrun/protocol.h>
#include <sigrun/store.h>

#include <string.h>

#include <algorithm>
#include <iterator>

namespace sigrun {
namespace {

constexpr sigrun_opt k_plugin_options[] = {
    sdk::option("enabled", SIGRUN_OPT_BOOL, {.def = "yes", .doc = "no: the file is not loaded"}),
    sdk::option(
        "unload", SIGRUN_OPT_CHOICE,
        {.def = "auto",
         .doc = "auto: the code of a replaced version is unmapped once nothing of it can run; never: it stays mapped",
         .choices = "auto,never"}),
    sdk::option("signature", SIGRUN_OPT_CHOICE,
                {.doc = "As [plugins] signature, for this one.", .choices = "off,warn,require"}),
};

bool contains(const std::vector<std::string>& list, const std::string& word) {
    return std::find(list.begin(), list.end(), word) != list.end();
}

constexpr const char* k_not_needed = "has no component of a kind that this program uses";

constexpr std::string_view k_kinds[] = {SIGRUN_KIND_BALANCER, SIGRUN_KIND_EXECUTOR, SIGRUN_KIND_EXTENSION,
                                        SIGRUN_KIND_PROBE,    SIGRUN_KIND_PROTOCOL, SIGRUN_KIND_STORE};

bool has_text(std::string_view file, std::string_view text) {
    return ::memmem(file.data(), file.size(), text.data(), text.size()) != nullptr;
}

/// False: the file names other kinds of components than `kinds`, so it need not be mapped to see that it has none of these. Who
/// names none that is known here is asked.
bool may_have_one_of(const std::vector<std::string>& kinds, std::string_view file) {
    if (kinds.empty() || std::any_of(kinds.begin(), kinds.end(), [&](const auto& k) { return has_text(file, k); }))
        return true;
    return std::none_of(std::begin(k_kinds), std::end(k_kinds), [&](auto k) { return has_text(file, k); });
}

}  // namespace

result<void> plugin_set::load() {
    SIGRUN_TRY(opened, stage::open(options_.state_dir));
    stage_.emplace(std::move(opened));
    SIGRUN_TRY(read, read_switches(config_));
    switches_ = std::move(read);
    SIGRUN_TRY(files, find_plugin_files(options_.plugin_dir));
    SIGRUN_TRY(guard, plugin_guard::open(options_, config_));
    guard_ = std::move(guard);
    try_new_ones(files);
    for (const auto& file : files) SIGRUN_CHECK_OK(load_file(file));
    for (const auto& each : switches_)
        if (!find_plugin(each.name)) return unknown_plugin("plugin " + each.name, each.name, each.origin);
    SIGRUN_CHECK_OK(configured_instances());
    default_instances();
    return {};
}

void plugin_set::try_new_ones(const std::vector<plugin_file>& files) {
    // All of them may be in one child.
    trials_.emplace(options_.state_dir, options_.trial_program,
                    trial_limits{3 * options_.trial_time, trial_limits::of(options_.trial_time).wall});
    if (options_.trial_program.empty()) return;
    std::vector<std::string> contents;
    for (const auto& file : files) {
        const switches* found = switches_of(file.name);
        if (found && !found->enabled) continue;
        // What will be refused for other reasons must not run in a child either.
        auto read = guard_->read(file.path);
        if (!read) continue;
        auto judged = guard_->judge(*read, file.name);
        if (judged && pinned_instead(judged->identity.id, read->sha256).empty())
            contents.push_back(std::move(read->bytes));
    }
    trials_->try_together(contents);
}

result<std::vector<plugin_set::switches>> plugin_set::read_switches(const settings& config) const {
    std::vector<switches> out;
    for (const config_section* section : config.of_kind("plugin")) {
        SIGRUN_TRY(values, bound_section::bind(section, k_plugin_options));
        const std::string name = section->name.substr(section->name.find(' ') + 1);
        out.push_back({name, section->origin, values->boolean("enabled"), values->text("unload") == "never"});
    }
    return out;
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

bool plugin_set::switched_off(record& which, const std::string& name) const {
    const switches* found = switches_of(name);
    if (!found || found->enabled) return false;
    which.now = state::disabled;
    which.info.reason = "switched off in " + found->origin;
    return true;
}

result<void> plugin_set::admit(record& to, const plugin_file& file) {
    if (switched_off(to, file.name)) return {};
    std::string sha256;
    auto admitted = admit_file(to, file, sha256);
    return admitted ? admitted : admit_last_good(to, file, sha256, admitted.error());
}

result<void> plugin_set::admit_file(record& to, const plugin_file& file, std::string& sha256) {
    SIGRUN_TRY(read, guard_->read(file.path));
    sha256 = read.sha256;
    SIGRUN_TRY(identity, inspect_plugin(read.bytes));
    to.info.id = identity.id;
    to.info.version = identity.version;
    if (switched_off(to, identity.id)) return {};
    if (const auto copy = pinned_instead(identity.id, read.sha256); !copy.empty()) {
        const std::string reason = "the plugin is pinned to another version";
        to.info.reason = "the file is not used: " + reason;
        to.info.newest = newest_info{identity.version, read.sha256, reason, plugin_state::rejected};
        SIGRUN_TRY(kept, guard_->read_private(copy));
        read = std::move(kept);
    }
    SIGRUN_TRY(judged, guard_->judge(read, file.name));
    if (judged.identity.id != identity.id) return bad_value(file.path, identity.id, judged.identity.id);
    to.info.signed_by = judged.signed_by;
    return take(to, read, judged.identity);
}

result<void> plugin_set::take(record& to, const plugin_guard::plugin_bytes& file, const plugin_identity& identity) {
    for (const auto& other : records_)
        if (other->info.id == identity.id && other->now == state::active)
            return bad_value("id", "a plugin that is not loaded yet", identity.id + " (" + other->info.file + ")");

    if (!may_have_one_of(options_.kinds, file.bytes)) {
        to.now = state::not_needed;
        to.info.reason = k_not_needed;
        to.info.sha256 = file.sha256;
        return {};
    }
    SIGRUN_CHECK_OK(trials_->pass(file.bytes));
    SIGRUN_TRY(code, open(file.bytes, file.sha256, file.signature, identity, to.short_name));
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

result<std::shared_ptr<generation>> plugin_set::open(std::string_view bytes, const std::string& sha256,
                                                     const std::string& signature, const plugin_identity& identity,
                                                     const std::string& short_name) {
    const std::uint64_t features = options_.private_folder ? SIGRUN_HELLO_TRIAL : 0;
    SIGRUN_TRY(code, generation::open(bytes, sha256, identity, *stage_, rt_, options_.program, features));
    code->keep_signature(signature);
    for (const auto& name : {short_name, identity.id})
        if (const auto* found = switches_of(name); found && found->keep_mapped) code->keep_mapped();
    return std::move(code);
}

std::string plugin_set::pinned_instead(const std::string& id, const std::string& sha256) const {
    std::string copy = pins_.copy_of(id);
    return copy.empty() || pins::sha256_of(copy) == sha256 ? std::string() : copy;
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
    SIGRUN_LOG(logs::plugin, error, "plugin ", which.info.file, " rejected: ", reason);
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

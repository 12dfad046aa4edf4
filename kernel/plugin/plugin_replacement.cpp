// Replacing a plugin in a running program: a standby is made beside the running generation, new work is switched over,
// and the old generation goes when nobody holds anything of it. See plugin-sdk.md section 5.
#include "kernel/log/loggers.hpp"
#include "kernel/plugin/plugin_set.hpp"

#include <sigrun/cpp/error.hpp>

#include <algorithm>

namespace sigrun {
result<void> start_instance(instance& each) {
    sigrun_instance* abi = each.abi();
    if (!SIGRUN_HAS(abi, start)) return {};
    sdk::error_text text;
    sigrun_result r = abi->start(abi, &text.abi);
    if (r >= 0) return {};
    auto p = problem::from_abi(r, text.text());
    p.message = "instance " + each.name() + " cannot start: " + p.message;
    return p;
}

result<plugin_set::replacement> plugin_set::prepare(const examined& file) {
    record* running = find_plugin(file.id);
    if (!running || running->now != state::active || running->info.generation != file.report.old_generation)
        return problem{errc::conflict, "the plugin was changed meanwhile", "id", "one change at a time", file.id};
    std::vector<std::shared_ptr<instance>> old;
    for (const auto& each : instances_)
        if (each->plugin_id() == file.id) old.push_back(each);
    replacement made;
    made.report = file.report;
    made.record = index_of(*running);
    SIGRUN_TRY(code, open(file.bytes, file.sha256, file.signature, file.identity, stem_of(file.file)));
    SIGRUN_CHECK_OK(code->start());
    const auto& descriptor = code->descriptor();
    note_newest(file.file, descriptor.version, file.sha256, plugin_state::loaded);
    made.report.new_version = descriptor.version;
    made.report.new_generation = code->number();
    made.info = running->info;
    describe(made.info, *code);
    made.info.reason.clear();
    made.info.last_good = false;
    made.info.signed_by = file.signed_by;
    made.info.file_gone = false;
    made.info.newest.reset();
    for (const auto& each : old) {
        auto component = std::find_if(descriptor.components.begin(), descriptor.components.end(), [&](const auto& c) {
            return c.id == each->component() && c.kind == each->kind();
        });
        if (component == descriptor.components.end())
            return bad_value("components", each->component() + " (" + each->kind() + "), which is in use",
                             "none of it");
        const auto* section = config_.find("instance " + each->name());
        SIGRUN_TRY(values, bound_section::bind(section, component->options, k_kernel_keys, 1, options_.state_dir));
        SIGRUN_TRY(standby, generation::create(code, *component, each->name(), *values->abi()));
        standby->set_values(values);
        SIGRUN_CHECK_OK(start_instance(*standby));
        made.info.components[static_cast<std::size_t>(component - descriptor.components.begin())].instances.push_back(
            each->name());
        made.instances.emplace_back(each, standby);
    }
    note_newest(file.file, descriptor.version, file.sha256, plugin_state::standby);
    made.code = std::move(code);
    made.old_code = running->code;
    return made;
}

void plugin_set::commit(replacement& what, bool warm) {
    record& running = *records_[what.record];
    std::lock_guard lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    retiring old{what.record,
                 std::move(running.info),
                 std::move(running.code),
                 {},
                 warm ? plugin_state::warm : plugin_state::draining,
                 now};
    for (auto& [before, after] : what.instances) {
        std::replace(instances_.begin(), instances_.end(), before, after);
        old.instances.push_back(before);
    }
    running.code = what.code;
    running.info = what.info;
    running.since = now;
    retiring_.push_back(std::move(old));
    rt_->exchange->look_again();
}

plugin_set::retiring* plugin_set::warm_of(std::size_t which) {
    for (auto& each : retiring_)
        if (each.record == which && each.state == plugin_state::warm) return &each;
    return nullptr;
}

void plugin_set::settle(const replacement& what) {
    std::lock_guard lock(mutex_);
    retiring* old = warm_of(what.record);
    if (!old) return;
    old->state = plugin_state::draining;
    old->since = records_[what.record]->since = std::chrono::steady_clock::now();
}

void plugin_set::swap_back(const replacement& what, const std::string& why) {
    record& running = *records_[what.record];
    std::lock_guard lock(mutex_);
    retiring* place = warm_of(what.record);
    if (!place) return;
    const auto now = std::chrono::steady_clock::now();
    const std::string version = running.info.version, sha256 = running.info.sha256;
    std::swap(running.info, place->info);
    std::swap(running.code, place->code);
    place->instances.clear();
    for (const auto& [old, bad] : what.instances) {
        std::replace(instances_.begin(), instances_.end(), bad, old);
        place->instances.push_back(bad);
    }
    rt_->exchange->look_again();
    place->state = plugin_state::draining;
    place->since = running.since = running.newest_since = now;
    running.info.reason = "swapped back from " + version + ": " + why;
    running.info.newest = newest_info{version, sha256, "swapped back: " + why, plugin_state::rejected};
    SIGRUN_LOG(logs::plugin, error, "plugin ", running.info.id, " ", running.info.version, " has the work again; ",
               version, " was in trouble: ", why);
}

}  // namespace sigrun

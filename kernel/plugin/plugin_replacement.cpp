// Replacing a plugin in a running program: a standby is made beside the running generation, new work is switched over,
// and the old generation goes when nobody holds anything of it. See plugin-sdk.md section 5.
#include "kernel/plugin/plugin_set.hpp"

#include <sigrun/cpp/error.hpp>
#include <sigrun/cpp/text.hpp>

#include <algorithm>

namespace sigrun {
namespace {

const auto k_log = logger::get("plugin");
constexpr std::string_view k_reserved[] = {"component"};
constexpr std::size_t k_max_retiring = 16;  // per plugin: what stays in use is memory that does not come back

result<void> start(instance& each) {
    sigrun_instance* abi = each.abi();
    if (!SIGRUN_HAS(abi, start)) return {};
    sdk::error_text text;
    sigrun_result r = abi->start(abi, &text.abi);
    if (r >= 0) return {};
    auto p = problem::from_abi(r, text.text());
    p.message = "instance " + each.name() + " cannot start: " + p.message;
    return p;
}

}  // namespace

result<plugin_set::examined> plugin_set::examine(std::string_view name,
                                                 const std::function<bool(std::string_view)>& replaceable) const {
    examined out;
    std::string file;
    {
        std::lock_guard lock(mutex_);
        const record* running = find_plugin(name);
        if (!running) {
            std::vector<std::string> names;
            for (const auto& each : records_) names.push_back(each->info.id);
            const std::string near = nearest_name(name, names);
            return problem{errc::not_found, "no such plugin", "id",
                           near.empty() ? "the id or file name of a plugin" : "\"" + near + "\"",
                           "\"" + std::string(name.substr(0, 80)) + "\""};
        }
        if (running->now != state::active)
            return problem{errc::conflict, "only a plugin that runs can be replaced", "id", "an active plugin",
                           std::string(name) + ": " + running->info.reason};
        for (const auto& each : instances_)
            if (each->plugin_id() == running->info.id && !replaceable(each->kind()))
                return problem{errc::unsupported,
                               "a plugin of this kind cannot be replaced while the daemon runs yet; restart it", "kind",
                               "sigrun.protocol/1, sigrun.balancer/1 or sigrun.probe/1", each->kind()};
        out.id = out.report.id = running->info.id;
        out.report.old_version = out.report.new_version = running->info.version;
        out.report.old_generation = out.report.new_generation = running->info.generation;
        out.sha256 = running->info.sha256;
        file = running->info.file;
        const auto older = std::count_if(retiring_.begin(), retiring_.end(),
                                         [&](const retiring& r) { return records_[r.record].get() == running; });
        if (static_cast<std::size_t>(older) >= k_max_retiring)
            return problem{errc::busy,
                           "too many older versions of this plugin are still in use",
                           "id",
                           "fewer than " + std::to_string(k_max_retiring),
                           std::to_string(older),
                           10'000};
    }
    SIGRUN_TRY(bytes, read_plugin_file(file));
    auto sha256 = sha256_hex(bytes);
    if (sha256 == out.sha256) return out;
    out.changed = out.report.changed = true;
    out.sha256 = std::move(sha256);
    SIGRUN_TRY(identity, inspect_plugin(bytes));
    if (identity.id != out.id) return bad_value("id", out.id, identity.id);
    if (identity.unique_symbols || (identity.flags & SIGRUN_PLUGIN_NO_SIDE_BY_SIDE))
        return problem{errc::unsupported, "this plugin cannot be loaded beside its older version; restart the daemon",
                       "file", "no STB_GNU_UNIQUE symbols and no flag NO_SIDE_BY_SIDE",
                       std::to_string(identity.unique_symbols) + " unique symbols"};
    out.identity = std::move(identity);
    out.bytes = std::move(bytes);
    return out;
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
    made.record = static_cast<std::size_t>(
        std::find_if(records_.begin(), records_.end(), [&](const auto& r) { return r.get() == running; }) -
        records_.begin());
    SIGRUN_TRY(code, generation::open(file.bytes, file.identity, *stage_, rt_, options_.program));
    SIGRUN_CHECK_OK(code->start());
    const auto& descriptor = code->descriptor();
    made.report.new_version = descriptor.version;
    made.report.new_generation = code->number();
    made.info = running->info;
    made.info.version = descriptor.version;
    made.info.sha256 = code->sha256();
    made.info.abi = descriptor.abi;
    made.info.doc = descriptor.doc;
    made.info.generation = code->number();
    made.info.reason.clear();
    made.info.components.clear();
    for (const auto& component : descriptor.components)
        made.info.components.push_back({component.id, component.kind, component.doc, component.options, {}});
    for (const auto& each : old) {
        auto component = std::find_if(descriptor.components.begin(), descriptor.components.end(), [&](const auto& c) {
            return c.id == each->component() && c.kind == each->kind();
        });
        if (component == descriptor.components.end())
            return bad_value("components", each->component() + " (" + each->kind() + "), which is in use",
                             "none of it");
        const auto* section = config_.find("instance " + each->name());
        SIGRUN_TRY(values, bound_section::bind(section, component->options, k_reserved, 1, options_.state_dir));
        SIGRUN_TRY(standby, generation::create(code, *component, each->name(), *values->abi()));
        SIGRUN_CHECK_OK(sigrun::start(*standby));
        made.info.components[static_cast<std::size_t>(component - descriptor.components.begin())].instances.push_back(
            each->name());
        made.instances.emplace_back(each, standby);
    }
    made.code = std::move(code);
    return made;
}

void plugin_set::note_refusal(std::string_view name, const problem& why) {
    std::lock_guard lock(mutex_);
    record* running = find_plugin(name);
    if (!running || running->now != state::active) return;
    running->info.reason = "not replaced: " + why.text();
    SIGRUN_LOG(k_log, error, "plugin ", running->info.id, " ", running->info.version, " goes on; ", running->info.file,
               " was refused: ", why.text());
}

void plugin_set::commit(replacement& what) {
    record& running = *records_[what.record];
    std::lock_guard lock(mutex_);
    retiring old{what.record,
                 running.info.version,
                 running.info.generation,
                 std::move(running.code),
                 {},
                 std::chrono::steady_clock::now()};
    for (auto& [before, now] : what.instances) {
        std::replace(instances_.begin(), instances_.end(), before, now);
        old.instances.push_back(before);
    }
    running.code = std::move(what.code);
    running.info = std::move(what.info);
    retiring_.push_back(std::move(old));
}

bool plugin_set::reap() {
    std::vector<std::shared_ptr<instance>> done;
    std::vector<std::shared_ptr<generation>> codes;
    bool left = false;
    {
        std::lock_guard lock(mutex_);
        for (auto& each : retiring_) {
            // An operation that is open may be a connection the plugin serves, or a call that is on its way back.
            if (rt_->ops.open(each.generation)) continue;
            std::erase_if(each.instances, [&](auto& i) {
                // This list alone holds it, and nobody else can get hold of it any more.
                if (i.use_count() > 1) return false;
                done.push_back(std::move(i));
                return true;
            });
            if (each.instances.empty()) codes.push_back(std::move(each.code));
        }
        std::erase_if(retiring_, [](const retiring& r) { return r.instances.empty(); });
        left = !retiring_.empty();
    }
    // Joins the plugin's threads; without the lock, since they may ask for something on their way out.
    done.clear();
    for (auto& code : codes)
        SIGRUN_LOG(k_log, info, code->identity().id, " ", code->identity().version, " (generation ", code->number(),
                   ") is done");
    codes.clear();
    return left;
}

}  // namespace sigrun

// What runs when a plugin's file may not, and which versions are kept for that.
#include "kernel/log/loggers.hpp"
#include "kernel/plugin/plugin_set.hpp"

#include <filesystem>

namespace sigrun {
namespace {

std::string file_name(const std::string& path) { return std::filesystem::path(path).filename().string(); }

}  // namespace

// A file that was refused: the newest version that served well is loaded instead, and says for whom.
result<void> plugin_set::admit_last_good(record& to, const plugin_file& file, const std::string& sha256,
                                         const problem& why) {
    // The stage is full or unwritable, or two files are one plugin: an older version would not help.
    if (why.field == k_stage_field || why.field == "id") return why;
    auto found = guard_->instead_of(to.info.id, file.name);
    if (!found) return why;
    for (const auto& other : records_)
        if (other->info.id == found->about.id && other->now == state::active) return why;
    if (const auto* off = switches_of(found->about.id); off && !off->enabled) return why;
    const std::string refused = to.info.version;
    to.info.id = found->judged.identity.id;
    to.info.version = found->judged.identity.version;
    to.info.signed_by = found->judged.signed_by;
    if (auto taken = take(to, found->file, found->judged.identity); !taken) {
        SIGRUN_LOG(logs::plugin, error, "the last good version ", found->about.version, " of ", found->about.id,
                   " cannot be loaded either: ", taken.error().text());
        return why;
    }
    to.info.last_good = true;
    to.info.newest = newest_info{refused, sha256, why.text(), plugin_state::rejected};
    to.newest_since = std::chrono::steady_clock::now();
    to.info.reason = "last good; " + file_name(file.path) + (refused.empty() ? "" : " " + refused) +
                     (why.field == "quarantine" ? " is quarantined: " + why.found : " is refused: " + why.text());
    SIGRUN_LOG(logs::plugin, error, "plugin ", to.info.id, " ", to.info.version, ": ", to.info.reason);
    return {};
}

void plugin_set::keep_good(nanoseconds least, bool even_if_young) {
    struct one {
        good_version what;
        std::string staged;
    };
    std::vector<one> due;
    {
        std::lock_guard lock(mutex_);
        const auto now = std::chrono::steady_clock::now();
        for (const auto& each : records_) {
            if (each->now != state::active || !each->code || each->info.last_good) continue;
            if (warm_of(index_of(*each))) continue;  // on probation: the version before may have the work again
            const auto generation = each->code->number();
            if (each->kept_generation == generation || now - each->code->since() < least) continue;
            if (!even_if_young) each->kept_generation = generation;
            due.push_back({{each->info.id, each->info.version, each->info.sha256, each->short_name,
                            clock::system().wall_ns(), each->code->signature()},
                           each->code->staged()});
        }
    }
    for (const auto& each : due) guard_->served(each.what, each.staged, even_if_young);
}

result<std::size_t> plugin_set::admit_again(std::string_view name) {
    std::string id(name);
    {
        std::lock_guard lock(mutex_);
        const record* known = find_plugin(name);
        if (known && !known->info.id.empty()) id = known->info.id;
        if (!known && !guard_->quarantine_of(id)) {
            std::vector<std::string> names;
            for (const auto& each : records_) names.push_back(each->info.id);
            const std::string near = nearest_name(name, names);
            return problem{errc::not_found, "no such plugin", "id",
                           near.empty() ? "the id or file name of a plugin" : "\"" + near + "\"",
                           "\"" + std::string(name.substr(0, 80)) + "\""};
        }
    }
    return guard_->admit(id);
}

}  // namespace sigrun

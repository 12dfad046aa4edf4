// What a file in the plugin folder holds, before any of its code runs in this process.
#include "kernel/plugin/plugin_set.hpp"
#include "kernel/plugin/residents.hpp"

#include <algorithm>
#include <filesystem>

namespace sigrun {
namespace {

constexpr std::size_t k_max_older = 16;  // per plugin: what stays in use or mapped is memory that does not come back
constexpr std::uint64_t k_max_older_bytes = 64u * 1024 * 1024;

}  // namespace

// By path or file name. Of several files with one name, in different folders, the one that runs.
plugin_set::record* plugin_set::find_file(std::string_view name) const {
    record* found = nullptr;
    for (const auto& each : records_) {
        const std::string& path = each->info.file;
        if (path == name) return each.get();
        if (std::string_view(path).substr(path.rfind('/') + 1) == name && (!found || each->now == state::active))
            found = each.get();
    }
    return found;
}

std::size_t plugin_set::index_of(const record& which) const {
    return static_cast<std::size_t>(
        std::find_if(records_.begin(), records_.end(), [&](const auto& r) { return r.get() == &which; }) -
        records_.begin());
}

result<void> plugin_set::room_for_another(const record& running) const {
    std::size_t n = 0;
    std::uint64_t bytes = 0;
    for (const auto& each : retiring_) {
        if (records_[each.record].get() != &running) continue;
        ++n;
        bytes += mapped_bytes(each.code->staged());
    }
    for (const auto& each : residents_of(running.info.id)) {
        ++n;
        bytes += each.bytes;
    }
    if (n < k_max_older && bytes < k_max_older_bytes) return {};
    return problem{errc::busy,
                   "too many older versions of this plugin are still in use or mapped; restart the program",
                   "id",
                   "fewer than " + std::to_string(k_max_older) + ", of less than 64 MiB together",
                   std::to_string(n) + ", of " + std::to_string(bytes / (1024 * 1024)) + " MiB",
                   10'000};
}

result<void> plugin_set::all_replaceable(std::string_view id,
                                         const std::function<bool(std::string_view)>& replaceable) const {
    for (const auto& each : instances_)
        if (each->plugin_id() == id && !replaceable(each->kind()))
            return problem{errc::unsupported,
                           "a plugin of this kind cannot be replaced while the program runs yet; restart it", "kind",
                           "a kind that can be replaced", each->kind()};
    return {};
}

result<plugin_set::located> plugin_set::locate(std::string_view name, bool automatic, examined& out) const {
    located at;
    bool known = false, removed = false;
    {
        std::lock_guard lock(mutex_);
        const record* of = find_file(name);
        if (!of) of = find_plugin(name);
        if (of) {
            if (of->now == state::disabled)
                return problem{errc::conflict, "the plugin is switched off", "id", "a plugin that is in use",
                               std::string(name) + ": " + of->info.reason};
            known = true;
            removed = of->now == state::removed;
            at.runs = of->now == state::active;
            out.file = of->info.file;
            if (of->info.newest && of->info.newest->state == plugin_state::rejected)
                at.refused_sha256 = of->info.newest->sha256;
        }
        if (at.runs) {
            out.id = out.report.id = of->info.id;
            out.report.old_version = out.report.new_version = of->info.version;
            out.report.old_generation = out.report.new_generation = of->info.generation;
            at.running_sha256 = of->info.sha256;
        }
    }
    // Unasked, what stands against it matters only if there is something to replace.
    if (at.runs && !automatic && !pins_.copy_of(out.id).empty())
        return problem{errc::conflict, "the plugin is pinned; `sigrun plugin pin --unpin` lets go of it", "id",
                       "a plugin that is not pinned", out.id};
    std::error_code ec;
    if (known && !(removed && !std::filesystem::exists(out.file, ec))) return at;
    SIGRUN_CHECK_OK(locate_new(name, out));
    return located{};
}

// A file that nobody has looked at yet.
result<void> plugin_set::locate_new(std::string_view name, examined& out) const {
    out.file.clear();
    if (auto files = find_plugin_files(options_.plugin_dir))
        for (const auto& file : *files)
            if (file.path == name || file.name == name || file.name + ".so" == name) out.file = file.path;
    if (!out.file.empty()) return {};
    std::lock_guard lock(mutex_);
    std::vector<std::string> names;
    for (const auto& each : records_)
        if (each->now != state::removed) names.push_back(each->info.id);
    const std::string near = nearest_name(name, names);
    return problem{errc::not_found, "no such plugin", "id",
                   near.empty() ? "the id or file name of a plugin" : "\"" + near + "\"",
                   "\"" + std::string(name.substr(0, 80)) + "\""};
}

bool plugin_set::switched_off(std::string_view file, const std::string& id) const {
    for (const auto& name : {stem_of(file), id})
        if (const auto* found = switches_of(name); found && !found->enabled) return true;
    return false;
}

result<void> plugin_set::could_replace(const examined& file, bool runs,
                                       const std::function<bool(std::string_view)>& replaceable) const {
    std::lock_guard lock(mutex_);
    for (const auto& other : records_) {
        if (other->info.id != file.id || other->now != state::active) continue;
        if (!runs) return bad_value("id", "a plugin that is not loaded yet", file.id + " (" + other->info.file + ")");
        SIGRUN_CHECK_OK(room_for_another(*other));
    }
    if (!runs) return {};
    SIGRUN_CHECK_OK(all_replaceable(file.id, replaceable));
    if (file.identity.unique_symbols || (file.identity.flags & SIGRUN_PLUGIN_NO_SIDE_BY_SIDE))
        return problem{errc::unsupported, "this plugin cannot be loaded beside its older version; restart the program",
                       "file", "no STB_GNU_UNIQUE symbols and no flag NO_SIDE_BY_SIDE",
                       std::to_string(file.identity.unique_symbols) + " unique symbols"};
    return {};
}

result<void> plugin_set::examine(std::string_view name, bool automatic,
                                 const std::function<bool(std::string_view)>& replaceable, examined& out) const {
    SIGRUN_TRY(at, locate(name, automatic, out));
    if (!at.runs && switched_off(out.file, "")) return {};
    SIGRUN_TRY(read, guard_->read(out.file));
    out.sha256 = read.sha256;
    out.current = at.runs && out.sha256 == at.running_sha256;
    if (out.current) return {};
    if (automatic && out.sha256 == at.refused_sha256) return {};  // and why was said then
    out.added = !at.runs;
    SIGRUN_TRY(seen, inspect_plugin(read.bytes));
    const std::string expected_id = out.id;
    out.identity = std::move(seen);
    out.id = out.report.id = out.identity.id;
    if (at.runs && out.id != expected_id) return bad_value("id", expected_id, out.id);
    if (!at.runs && switched_off(out.file, out.id)) return {};
    if (!pinned_instead(out.id, out.sha256).empty())
        return problem{errc::conflict, "the plugin is pinned to another version", "id", "a plugin that is not pinned",
                       out.id};
    SIGRUN_TRY(judged, guard_->judge(read, stem_of(out.file)));
    out.signed_by = std::move(judged.signed_by);
    out.signature = std::move(read.signature);
    SIGRUN_CHECK_OK(could_replace(out, at.runs, replaceable));
    out.changed = out.report.changed = true;
    out.bytes = std::move(read.bytes);
    return {};
}

}  // namespace sigrun

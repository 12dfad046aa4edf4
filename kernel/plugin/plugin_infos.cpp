// What is shown of plugins, and what is kept only to be shown.
#include "kernel/log/loggers.hpp"
#include "kernel/plugin/plugin_set.hpp"
#include "kernel/plugin/residents.hpp"

#include <algorithm>

namespace sigrun {
namespace {

double seconds_since(time_point then) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - then).count();
}

std::string uses(std::size_t n) { return std::to_string(n) + (n == 1 ? " link or call" : " links or calls"); }

}  // namespace

std::vector<plugin_info> plugin_set::infos() const {
    auto out = shown();
    // Without the lock: the disk may be slow, and who waits for it is only who wants to see it.
    for (auto& info : out) {
        if (info.id.empty()) continue;
        info.pinned = !pins_.copy_of(info.id).empty();
        if (!guard_) continue;
        if (auto held = guard_->quarantine_of(info.id)) info.quarantine = held->version + ": " + held->reason;
        info.crashes = guard_->crashes_of(info.id);
    }
    return out;
}

std::vector<plugin_info> plugin_set::shown() const {
    std::lock_guard lock(mutex_);
    std::vector<plugin_info> out;
    for (std::size_t i = 0; i < records_.size(); ++i) {
        const record& each = *records_[i];
        std::vector<retiring_info> older;
        bool on_probation = false;
        for (const auto& old : retiring_) {
            if (old.record != i) continue;
            on_probation = on_probation || old.state == plugin_state::warm;
            retiring_info one{
                old.info.generation, old.info.version, old.info.sha256, old.state, "", seconds_since(old.since), {}};
            std::size_t holders = 0;
            for (const auto& which : old.instances) {
                const auto n = static_cast<std::size_t>(which.use_count() - 1);
                holders += n;
                if (n) one.holds.push_back("instance " + which->name() + ": " + uses(n));
                if (!old.shares_code) continue;
                if (const auto ops = rt_->ops.open(op_owner(*which)))
                    one.holds.push_back("instance " + which->name() + ": " + std::to_string(ops) + " open operation" +
                                        (ops == 1 ? "" : "s"));
            }
            one.held_by = uses(holders);
            // What the code as a whole has open may be the newer instances'.
            if (!old.shares_code)
                for (auto& thing : old.code->open_things()) one.holds.push_back(std::move(thing));
            older.push_back(std::move(one));
        }
        for (const auto& stays : residents_of(each.info.id))
            older.push_back({stays.generation,
                             stays.version,
                             stays.sha256,
                             plugin_state::retired,
                             "nobody; " + std::to_string(stays.bytes / 1024) + " KiB stay mapped",
                             seconds_since(stays.since),
                             {stays.why}});
        if (each.now == state::not_needed || (each.now == state::removed && older.empty())) continue;
        plugin_info info = each.info;
        info.age_s = seconds_since(each.since);
        info.state = each.now == state::disabled  ? plugin_state::disabled
                     : each.now == state::removed ? older.front().state
                     : each.now != state::active  ? plugin_state::rejected
                     : on_probation               ? plugin_state::probation
                                                  : plugin_state::active;
        if (info.newest) info.newest->age_s = seconds_since(each.newest_since);
        info.retiring = std::move(older);
        out.push_back(std::move(info));
    }
    return out;
}

std::map<plugin_state, std::size_t> plugin_set::states() const {
    std::map<plugin_state, std::size_t> out;
    for (const auto& each : shown()) {
        ++out[each.state];
        for (const auto& old : each.retiring) ++out[old.state];
    }
    return out;
}

void plugin_set::note_newest(const std::string& file, std::string_view version, std::string_view sha256,
                             plugin_state stage) {
    std::lock_guard lock(mutex_);
    record* of = find_file(file);
    if (!of) return;
    of->info.newest = newest_info{std::string(version), std::string(sha256), "", stage};
    of->newest_since = std::chrono::steady_clock::now();
}

bool plugin_set::note_refusal(const examined& file, const problem& why) {
    const std::string text = why.text();
    {
        std::lock_guard lock(mutex_);
        record* of = find_file(file.file);
        if (!of) {
            auto made = std::make_unique<record>();
            made->info.file = file.file;
            made->short_name = stem_of(file.file);
            made->now = state::removed;
            records_.push_back(std::move(made));
            of = records_.back().get();
        }
        const auto& before = of->info.newest;
        const bool said = before && before->sha256 == file.sha256 && before->reason == text;
        of->info.newest = newest_info{file.identity.version, file.sha256, text, plugin_state::rejected};
        if (!said) of->newest_since = std::chrono::steady_clock::now();
        of->info.file_gone = false;
        if (of->now == state::active) {
            of->info.reason = "not replaced: " + text;
        } else {
            of->now = state::rejected;
            of->info.id = file.identity.id;
            of->info.version = file.identity.version;
            of->info.reason = text;
            if (!said) of->since = of->newest_since;
        }
        if (said) return false;
        if (of->now == state::active) {
            SIGRUN_LOG(logs::plugin, error, "plugin ", of->info.id, " ", of->info.version, " goes on; ", of->info.file,
                       " was refused: ", text);
            return true;
        }
    }
    SIGRUN_LOG(logs::plugin, error, "plugin ", file.file, " rejected: ", text);
    return true;
}

void plugin_set::note_current(const examined& file) {
    std::lock_guard lock(mutex_);
    record* of = find_file(file.file);
    if (!of || of->now != state::active || (!of->info.newest && !of->info.file_gone)) return;
    of->info.newest.reset();
    of->info.file_gone = false;
    of->info.reason.clear();
}

std::optional<plugin_info> plugin_set::note_gone(const std::string& path) {
    std::lock_guard lock(mutex_);
    record* of = find_file(path);
    if (!of || of->info.file_gone || of->now == state::removed) return {};
    of->info.newest.reset();
    if (of->now != state::active) {
        of->now = state::removed;  // it was only shown because it lay there
        return {};
    }
    of->info.file_gone = true;
    of->info.reason = "its file is gone; what was loaded runs on until the next start";
    SIGRUN_LOG(logs::plugin, warning, "plugin ", of->info.id, " ", of->info.version, " goes on, but its file ", path,
               " is gone");
    return of->info;
}

}  // namespace sigrun

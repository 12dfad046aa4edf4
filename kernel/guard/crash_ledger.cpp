#include "kernel/guard/crash_ledger.hpp"

#include "kernel/base/json.hpp"
#include "kernel/guard/private_file.hpp"
#include "kernel/log/loggers.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace sigrun {
namespace {

constexpr std::size_t k_max_file = 4 * 1024 * 1024;
// What is kept; the oldest goes first.
constexpr std::size_t k_max_crashes = 200, k_max_held = 100, k_max_probation = 100, k_max_totals = 200;

template <class List>
void keep_newest(List& list, std::size_t most) {
    if (list.size() > most) list.erase(list.begin(), list.end() - static_cast<std::ptrdiff_t>(most));
}

json::object to_json(const crash_record& c) {
    return {{"time_ns", c.wall_ns},      {"up_ns", c.up_ns}, {"boot", c.boot},     {"pid", c.pid},
            {"signal", c.signal},        {"blame", c.blame}, {"plugin", c.plugin}, {"version", c.version},
            {"sha256", c.sha256},        {"how", c.how},     {"at", c.at},         {"outer", c.outer},
            {"generation", c.generation}};
}

crash_record crash_of(const json::object& o) {
    crash_record c;
    c.wall_ns = number_or<std::int64_t>(o, "time_ns", 0);
    c.up_ns = number_or<std::int64_t>(o, "up_ns", 0);
    c.pid = number_or<std::int64_t>(o, "pid", 0);
    c.signal = number_or<int>(o, "signal", 0);
    c.generation = number_or<std::uint64_t>(o, "generation", 0);
    c.boot = text_or(o, "boot");
    c.blame = text_or(o, "blame");
    c.plugin = text_or(o, "plugin");
    c.version = text_or(o, "version");
    c.sha256 = text_or(o, "sha256");
    c.how = text_or(o, "how");
    c.at = text_or(o, "at");
    c.outer = text_or(o, "outer");
    return c;
}

// How far apart two crashes were, whichever came first. Within one boot the wall clock does not matter; else it is all there
// is, and a clock that was set back must neither make them neighbours of everything nor count as a negative time.
std::int64_t apart(const crash_record& a, const crash_record& b) noexcept {
    const bool same_boot = !a.boot.empty() && a.boot == b.boot;
    const std::int64_t x = same_boot ? a.up_ns : a.wall_ns, y = same_boot ? b.up_ns : b.wall_ns;
    return x > y ? x - y : y - x;
}

}  // namespace

result<crash_ledger> crash_ledger::open(const std::string& state_dir, const clock& time) {
    crash_ledger out(state_dir + "/crashes.json", time);
    auto text = read_file(out.path_, k_max_file);
    if (text ? !out.read(*text) : text.error().code != errc::not_found) {
        SIGRUN_LOG(logs::guard, warning, "the ledger of crashes cannot be read and is begun anew; the old one is ",
                   out.path_, ".bad");
        if (std::rename(out.path_.c_str(), (out.path_ + ".bad").c_str()) != 0)
            return system_problem("cannot put aside", out.path_);
        out = crash_ledger(state_dir + "/crashes.json", time);
    }
    const auto file = crash_file(state_dir);
    auto fresh = read_file(file, k_max_file);
    if (!fresh && fresh.error().code == errc::not_found) return out;
    // Too large or no regular file: nothing in it can be trusted to be ours.
    if (!fresh) SIGRUN_LOG(logs::guard, warning, "the crash file is not used: ", fresh.error().text());
    for (auto& crash : parse_crashes(fresh ? std::string_view(*fresh) : std::string_view())) out.add(std::move(crash));
    if (!out.newly_crashed_.empty()) SIGRUN_CHECK_OK(out.save());
    // Only now: a crash that is read twice is recognised, one that was emptied too early would be forgotten.
    if (!owned_fd(::open(file.c_str(), O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC)))
        return system_problem("cannot empty", file);
    return out;
}

bool crash_ledger::read(std::string_view text) {
    auto o = parse_object(text);
    if (!o || number_or<int>(*o, "version", 0) != 1) return false;
    if (const auto* list = array_or_null(*o, "crashes"))
        for (const auto& item : *list)
            if (const auto* one = item.if_object()) crashes_.push_back(crash_of(*one));
    if (const auto* list = array_or_null(*o, "quarantined"))
        for (const auto& item : *list)
            if (const auto* one = item.if_object())
                held_.push_back({std::string(text_or(*one, "plugin")), std::string(text_or(*one, "version")),
                                 std::string(text_or(*one, "sha256")), std::string(text_or(*one, "reason")),
                                 number_or<std::int64_t>(*one, "since_ns", 0)});
    if (const auto* list = array_or_null(*o, "probation"))
        for (const auto& item : *list)
            if (item.is_string()) on_probation_.emplace_back(std::string_view(item.get_string()));
    if (const auto* map = object_or_null(*o, "totals"))
        for (const auto& [name, n] : *map) totals_[std::string(name)] = number_or<std::uint64_t>(*map, name, 0);
    return true;
}

void crash_ledger::add(crash_record crash) {
    // The program may have died between writing the ledger and emptying the crash file.
    for (const auto& known : crashes_)
        if (known.wall_ns == crash.wall_ns && known.pid == crash.pid && known.up_ns == crash.up_ns) return;
    const std::string whose = crash.of_plugin() ? crash.plugin : crash.blame;
    if (totals_.contains(whose) || totals_.size() < k_max_totals) ++totals_[whose];
    crashes_.push_back(crash);
    keep_newest(crashes_, k_max_crashes);
    newly_crashed_.push_back(crash);
    if (!crash.of_plugin() || find(crash.sha256)) return;
    std::string reason;
    if (std::find(on_probation_.begin(), on_probation_.end(), crash.sha256) != on_probation_.end())
        reason = "a crash in its probation, ";
    else if (too_many(crash))
        reason = std::to_string(k_crashes) + " crashes in " + std::to_string(k_window_ns / 60'000'000'000) +
                 " min, the last one ";
    if (reason.empty()) return;
    std::erase(on_probation_, crash.sha256);
    held_.push_back({crash.plugin, crash.version, crash.sha256, reason + crash.text(), time_->wall_ns()});
    keep_newest(held_, k_max_held);
    newly_held_.push_back(held_.back());
}

bool crash_ledger::too_many(const crash_record& last) const {
    std::size_t near = 0;
    for (const auto& each : crashes_) near += each.sha256 == last.sha256 && apart(each, last) <= k_window_ns;
    return near >= k_crashes;
}

const crash_ledger::held* crash_ledger::find(std::string_view sha256) const noexcept {
    for (const auto& each : held_)
        if (each.sha256 == sha256) return &each;
    return nullptr;
}

std::size_t crash_ledger::crashes_of(std::string_view sha256) const noexcept {
    return static_cast<std::size_t>(
        std::count_if(crashes_.begin(), crashes_.end(), [&](const auto& c) { return c.sha256 == sha256; }));
}

result<std::size_t> crash_ledger::admit(std::string_view plugin) {
    crash_ledger changed = *this;
    const auto lifted = std::erase_if(changed.held_, [&](const held& h) { return h.plugin == plugin; });
    // Otherwise the next crash would be the third again.
    std::erase_if(changed.crashes_, [&](const crash_record& c) { return c.plugin == plugin; });
    SIGRUN_CHECK_OK(changed.save());
    *this = std::move(changed);
    return lifted;
}

result<void> crash_ledger::begin_probation(const std::string& sha256) {
    if (std::find(on_probation_.begin(), on_probation_.end(), sha256) != on_probation_.end()) return {};
    on_probation_.push_back(sha256);
    keep_newest(on_probation_, k_max_probation);
    return save();
}

result<void> crash_ledger::end_probation(std::string_view sha256) {
    if (!std::erase(on_probation_, sha256)) return {};
    return save();
}

result<void> crash_ledger::save() const {
    json::array crashes, quarantined;
    for (const auto& each : crashes_) crashes.push_back(to_json(each));
    for (const auto& each : held_)
        quarantined.push_back(json::object{{"plugin", each.plugin},
                                           {"version", each.version},
                                           {"sha256", each.sha256},
                                           {"reason", each.reason},
                                           {"since_ns", each.since_ns}});
    json::object totals;
    for (const auto& [name, n] : totals_) totals[name] = n;
    return write_whole_file(
        path_,
        json::serialize(json::object{{"version", 1},
                                     {"crashes", std::move(crashes)},
                                     {"quarantined", std::move(quarantined)},
                                     {"probation", json::array(on_probation_.begin(), on_probation_.end())},
                                     {"totals", std::move(totals)}}),
        0600);
}

}  // namespace sigrun

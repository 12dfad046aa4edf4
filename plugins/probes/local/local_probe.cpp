#include "local_probe.hpp"

#include "schema.hpp"

#include <unistd.h>

#include <limits>

namespace sigrun::local {
namespace {

constexpr std::size_t k_max_name = 128;
constexpr std::string_view k_report = "custom.facts_d";  // what became of the files

/// "custom.facts_d.rack_ini": the fact that tells of a file. Empty name: of the folder.
std::string report_key(std::string_view name) {
    std::string key(k_report);
    if (!name.empty()) key += '.';
    for (char c : name) {
        const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
        key += word ? c : '_';
    }
    return key;
}

/// Why what `info` describes is not to be believed; empty if it is.
std::string distrust(const struct stat& info) {
    if (info.st_mode & S_IWOTH) return "others may write it; take that right away (chmod o-w)";
    if (info.st_uid != 0 && info.st_uid != ::geteuid())
        return "expected root or the user of the runner as its owner, found user " + std::to_string(info.st_uid);
    return {};
}

}  // namespace

void declared_facts::refuse(const std::string& name, std::string_view status, const std::string& why,
                            sdk::fact_writer& facts) {
    const std::string path = name.empty() ? folder_ : folder_ + "/" + name;
    facts.none(report_key(name), status, {.source = path, .method = "declared", .detail = why});
    if (status == "absent") return;
    telling_[name] = why;
    if (const auto at = told_.find(name); at == told_.end() || at->second != why) say_(path + ": " + why);
}

void declared_facts::take(const sdk::sysroot& root, const std::string& name, std::int64_t now_s,
                          sdk::fact_writer& facts) {
    const std::string path = folder_ + "/" + name;
    const auto info = root.stat(path);
    if (info)
        if (const auto why = distrust(*info); !why.empty()) return refuse(name, "denied", why, facts);
    const auto file = root.read(path, k_max_file);
    if (!file)
        return refuse(name, sdk::fact_writer::word(file.status),
                      file.error == EFBIG ? "expected at most 64 KiB, found more" : file.why(), facts);
    auto read = name.ends_with(".json") ? parse_json(file.text) : parse_ini(file.text);
    if (read.wrong) return refuse(name, "error", read.wrong->text(), facts);
    if (read.expires_s && *read.expires_s <= now_s) return refuse(name, "absent", "it has expired", facts);
    const auto left = read.expires_s ? *read.expires_s - now_s : 0;
    const auto ttl = std::min<std::int64_t>(left, std::numeric_limits<std::uint32_t>::max());
    if (found_.size() + read.facts.size() > k_max_facts)
        return refuse(name, "error",
                      "expected at most " + std::to_string(k_max_facts) + " facts in all files, found more", facts);
    for (auto& d : read.facts) found_[d.key] = {std::move(d.value), path, static_cast<std::uint32_t>(ttl)};
}

void declared_facts::collect(const sdk::sysroot& root, std::int64_t now_s, sdk::probe_run& run) {
    found_.clear();
    telling_.clear();
    auto& facts = run.facts();
    const auto folder = root.stat(folder_);
    if (folder) {
        // Opened as a file it is told to be none, if it may be read at all.
        const auto state = root.read(folder_, 1);
        const auto why = !S_ISDIR(folder->st_mode)                  ? std::string("it is no folder")
                         : state.status == sdk::read_status::denied ? state.why()
                                                                    : distrust(*folder);
        if (!why.empty()) refuse("", "denied", why, facts);
        std::size_t files = 0;
        for (const auto& name : why.empty() ? root.list(folder_) : std::vector<std::string>()) {
            if (!name.ends_with(".ini") && !name.ends_with(".json")) continue;
            if (++files > k_max_files) {
                refuse("", "error", "expected at most " + std::to_string(k_max_files) + " files, found more", facts);
                break;
            }
            if (!run.go_on()) return;
            if (name.size() > k_max_name)
                refuse("", "error", "expected names of at most 128 bytes, found " + quoted(name), facts);
            else
                take(root, name, now_s, facts);
        }
    }
    for (const auto& [key, f] : found_)
        facts.ok(key, sdk::fact_value::raw(f.value),
                 {.source = f.source, .method = "declared", .ttl_s = f.ttl_s, .unique = names_one_machine(key)});
    told_ = telling_;
}

}  // namespace sigrun::local

#include "verification.hpp"

#include "version_text.hpp"

#include <unistd.h>

#include <algorithm>

namespace sigrun::software {
namespace {

bool others_may_change(const struct stat& info) noexcept {
    return (info.st_mode & S_IWOTH) || (info.st_uid != 0 && info.st_uid != ::geteuid());
}

std::string folder_of(std::string_view path) {
    const auto slash = path.rfind('/');
    return slash == path.npos || slash == 0 ? "/" : std::string(path.substr(0, slash));
}

void add_name(std::string& names, const entry& e) { (names += names.empty() ? "" : ", ") += e.program.names.front(); }

}  // namespace

std::string version_in(std::string_view text) {
    // The first number with a point in it: "git version 2.39.5", "go1.19.8", "OpenSSH_9.2p1", "(v5.36.0)".
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (!is_digit(text[i]) || (i > 0 && (is_digit(text[i - 1]) || text[i - 1] == '.'))) continue;
        std::size_t end = i;
        while (end < text.size() && is_digit(text[end])) ++end;
        if (end + 1 >= text.size() || text[end] != '.' || !is_digit(text[end + 1])) continue;
        while (end < text.size() &&
               (is_word(text[end]) || (text[end] == '.' && end + 1 < text.size() && is_word(text[end + 1]))))
            ++end;
        if (end - i <= k_max_version) return std::string(text.substr(i, end - i));
    }
    // "zip 3" and the like: a whole number as second word, or after "version", in the first line.
    std::string_view line;
    if (!sdk::next_line(text, line)) return {};
    const auto words = sdk::words(line);
    for (std::size_t i = 1; i < words.size() && i < 8; ++i)
        if ((i == 1 || words[i - 1] == "version") && words[i].size() <= 8 &&
            std::all_of(words[i].begin(), words[i].end(), is_digit))
            return std::string(words[i]);
    return {};
}

std::string_view reason_not_to_run(const sdk::sysroot& root, const found_program& program) {
    if (program.what->arguments.empty()) return "it has no way to say its version and do nothing else";
    if (in_shims(program.path)) return "which program it runs depends on who runs it, and where";
    if (program.info.st_mode & (S_ISUID | S_ISGID)) return "it runs with the rights of another user";
    if (others_may_change(program.info)) return "others may change the file";
    for (const auto& path : {program.path, program.target}) {
        const auto folder = root.stat(folder_of(path));
        if (!folder || (others_may_change(*folder) && !(folder->st_mode & S_ISVTX)))
            return "others may change the folder";
    }
    return {};
}

std::string verifier::key_of(const found_program& p) {
    return sdk::concat(p.path, '\n', p.info.st_dev, ' ', p.info.st_ino, ' ', p.info.st_size, ' ', p.info.st_mtim.tv_sec,
                       '.', p.info.st_mtim.tv_nsec);
}

const verifier::memory* verifier::remembered(const std::string& key) const {
    const auto at = memory_.find(key);
    if (at == memory_.end()) return nullptr;
    const bool holds = !at->second.version.empty() || std::chrono::steady_clock::now() - at->second.asked < k_silence;
    return holds ? &at->second : nullptr;
}

void verifier::remember(const std::string& key, const answer& said) {
    memory m{{}, std::chrono::steady_clock::now()};
    if ((said.how == ending::exited && said.code == 0) || said.how == ending::cut) m.version = version_in(said.output);
    if (memory_.size() >= k_max_remembered && !memory_.contains(key)) memory_.erase(memory_.begin());
    memory_[key] = std::move(m);
}

bool verifier::verify(const sdk::sysroot& root, inventory& found, const std::function<bool()>& go_on) {
    counts_ = {};
    counts_.programs = found.entries.size();
    std::vector<command> commands;
    std::vector<std::string> keys, asked;
    for (const auto& e : found.entries) {
        keys.push_back(reason_not_to_run(root, e.program).empty() ? key_of(e.program) : std::string());
        if (keys.back().empty() || remembered(keys.back())) continue;
        command c{e.program.path, {}};
        for (auto w : sdk::words(e.program.what->arguments)) c.arguments.emplace_back(w);
        commands.push_back(std::move(c));
        asked.push_back(keys.back());
    }
    const bool complete = run_all(
        commands, limits_,
        [&](std::size_t i, answer said) {
            ++counts_.executed;
            remember(asked[i], said);
        },
        go_on);
    for (std::size_t i = 0; i < keys.size(); ++i) {
        const auto at = memory_.find(keys[i]);
        if (keys[i].empty()) {
            ++counts_.not_run;
        } else if (at != memory_.end() && !at->second.version.empty()) {
            ++counts_.known;
            auto& e = found.entries[i];
            if (e.found_by == "package" && e.version != at->second.version) add_name(counts_.differing_names, e);
            e.version = at->second.version;
            e.found_by = "execution";
            e.verified = true;
        } else if (at != memory_.end()) {
            ++counts_.silent;
            add_name(counts_.silent_names, found.entries[i]);
        }
    }
    return complete;
}

std::string verifier::summary() const {
    std::string out = sdk::concat(counts_.known, " of ", counts_.programs, " said their version");
    if (!counts_.silent_names.empty()) out += "; these did not: " + counts_.silent_names;
    if (!counts_.differing_names.empty()) out += "; not that of their package: " + counts_.differing_names;
    return out;
}

}  // namespace sigrun::software

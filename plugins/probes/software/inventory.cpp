#include "inventory.hpp"

#include "version_text.hpp"

#include <sigrun/cpp/os_release.hpp>

#include <set>
#include <tuple>

namespace sigrun::software {
namespace {

using sdk::fact_info;

bool plain_version(std::string_view text) noexcept {
    if (text.empty() || text.size() > k_max_version || !is_digit(text.front())) return false;
    for (char c : text)
        if (!is_word(c) && c != '.' && c != '-' && c != '+' && c != '_') return false;
    return true;
}

/// "/usr/lib/jvm/x" of "/usr/lib/jvm/x/bin/java"; empty if it is not two levels deep.
std::string home_of(std::string_view target) {
    for (int level = 0; level < 2; ++level) {
        const auto slash = target.rfind('/');
        if (slash == target.npos || slash == 0) return {};
        target = target.substr(0, slash);
    }
    return std::string(target);
}

/// "10.2.4" of {..., "version": "10.2.4", ...}; the first one, as package.json has it at the top.
std::string version_member(std::string_view text) {
    auto at = text.find("\"version\"");
    if (at == text.npos) return {};
    text.remove_prefix(at + 9);
    at = text.find('"');
    const auto end = at == text.npos ? text.npos : text.find('"', at + 1);
    return end == text.npos ? std::string() : std::string(text.substr(at + 1, end - at - 1));
}

/// What a file beside the program says: java's release, Go's VERSION, npm's package.json, the folders of .NET.
std::string released_version(const sdk::sysroot& root, const found_program& program) {
    const std::string home = home_of(program.target);
    std::string version;
    if (program.what->program == "java" || program.what->program == "javac") {
        const auto file = root.read(home + "/release", 64 * 1024);
        version = sdk::os_release_value(file.text, "JAVA_VERSION").value_or("");
    } else if (program.what->program == "go") {
        const auto file = root.read(home + "/VERSION", 4096);
        auto rest = std::string_view(file.text);
        const auto word = sdk::next_word(rest);
        if (word.starts_with("go")) version = word.substr(2);
    } else if (program.target.ends_with(".js")) {  // npm, yarn and the like
        version = version_member(root.read(home + "/package.json", 64 * 1024).text);
    } else if (program.what->program == "dotnet") {
        const auto folder = program.target.substr(0, program.target.rfind('/'));
        const auto versions = root.list(folder + "/host/fxr");
        if (versions.size() == 1) version = versions.front();
    }
    return plain_version(version) ? version : std::string();
}

std::vector<std::string> package_names(const found_program& program) {
    std::vector<std::string> out(program.names.rbegin(), program.names.rend());
    out.emplace_back(program.what->program);
    for (auto w : sdk::words(program.what->packages)) out.emplace_back(w);
    return out;
}

void find_version(const sdk::sysroot& root, const package_database& packages, entry& e) {
    e.found_by = "path";
    const auto take = [&](std::string version, std::string_view how) {
        if (!e.version.empty() || !plain_version(version)) return;
        e.version = std::move(version);
        e.found_by = how;
    };
    take(released_version(root, e.program), "release-file");
    if (e.version.empty() && e.program.what->packaged)
        take(packages.version_of(root, e.program.target, package_names(e.program)).value_or(""), "package");
    // "12" of gcc-12: less than the whole version, but true. The digit of python3 or clang-9 says too little to compare with.
    for (const auto& name : e.program.names)
        if (const auto version = version_in_name(name); known(name) == e.program.what && version.size() > 1)
            take(std::string(version), "file-name");
}

sdk::record record_of(const entry& e, std::string_view name) {
    sdk::record r;
    r.add("name", name);
    if (!e.version.empty()) r.add("version", e.version);
    r.add("path", e.program.path).add("found_by", e.found_by).add("verified", e.verified);
    return r;
}

}  // namespace

inventory take_inventory(const sdk::sysroot& root, const package_database& packages,
                         const std::vector<std::string>& folders) {
    auto found = search(root, folders);
    inventory out;
    out.folders = found.folders;
    out.cut = found.cut;
    for (auto& program : found.programs) {
        entry e;
        e.program = std::move(program);
        find_version(root, packages, e);
        out.entries.push_back(std::move(e));
    }
    return out;
}

void write_lists(const inventory& found, sdk::fact_writer& facts, fact_info info) {
    for (std::string_view key : {"lang", "tool"}) {
        if (found.folders == 0) {
            info.detail = "none of the folders of programs is there";
            facts.none(key, "absent", info);
            continue;
        }
        std::vector<std::pair<std::string_view, const entry*>> named;
        std::set<std::tuple<std::string_view, std::string, std::string>> seen;
        for (const auto& e : found.entries) {
            const auto name = key == "lang" ? e.program.what->lang : e.program.what->tool;
            if (name.empty()) continue;
            // pip beside pip3: two names of one thing, as far as anybody asks for it.
            const auto folder = e.program.path.substr(0, e.program.path.rfind('/'));
            if (e.version.empty() || seen.emplace(name, folder, e.version).second) named.emplace_back(name, &e);
        }
        // By name; of one name the first stays that which a shell would run.
        std::stable_sort(named.begin(), named.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
        std::vector<sdk::record> list;
        for (const auto& [name, e] : named) list.push_back(record_of(*e, name));
        facts.ok(key, sdk::records(list), info);
    }
}

void write_packages(const package_database& packages, sdk::fact_writer& facts) {
    const auto& file = packages.file();
    const fact_info info{.source = file.path}, slow{.source = file.path, .volatility = "slow", .ttl_s = 60};
    if (packages.manager().empty()) {
        for (const char* key : {"pkg.manager", "pkg.count", "pkg.hash"})
            facts.none(key, "absent", {.source = file.path, .detail = "no package database is known here"});
        return;
    }
    facts.ok("pkg.manager", packages.manager(), {.source = file.path, .method = "derived"});
    if (packages.listed()) {
        facts.ok("pkg.count", packages.packages().size(), slow);
        facts.ok("pkg.hash", packages.hash(),
                 {.source = file.path, .method = "derived", .volatility = "slow", .ttl_s = 60});
        return;
    }
    for (const char* key : {"pkg.count", "pkg.hash"})
        if (file)
            facts.none(key, "unsupported", {.source = file.path, .detail = "only librpm reads this database"});
        else
            facts.missing(key, file, info, "");
}

void collect(const sdk::sysroot& root, const machine_calls& calls, const std::vector<std::string>& more_folders,
             sdk::probe_run& run) {
    const auto packages = package_database::read(root);
    write_packages(packages, run.facts());
    if (!run.go_on()) return;
    const auto found = take_inventory(root, packages, program_folders(root, calls, more_folders));
    write_lists(found, run.facts(),
                {.source = packages.manager().empty() ? "PATH" : "PATH, " + packages.manager(),
                 .method = "derived",
                 .confidence = 80,
                 .detail = found.cut ? "there are more programs than are listed" : ""});
}

}  // namespace sigrun::software

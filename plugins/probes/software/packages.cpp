#include "packages.hpp"

#include "version_text.hpp"

#include <sigrun/cpp/short_hash.hpp>

#include <tuple>

namespace sigrun::software {
namespace {

using sdk::next_line;
using sdk::trimmed;

constexpr std::size_t k_max_field = 256;
constexpr std::size_t k_max_lists = 8;  // file lists that are read for one program

bool fits(std::string_view text) noexcept { return !text.empty() && text.size() <= k_max_field; }

/// True if `name` is `pattern`, where one * stands for anything.
bool matches(std::string_view pattern, std::string_view name) noexcept {
    const auto star = pattern.find('*');
    if (star == pattern.npos) return pattern == name;
    const auto head = pattern.substr(0, star), tail = pattern.substr(star + 1);
    return name.size() >= head.size() + tail.size() && name.starts_with(head) && name.ends_with(tail);
}

bool has_line(std::string_view text, std::string_view wanted) noexcept {
    std::string_view line;
    while (next_line(text, line))
        if (trimmed(line) == wanted) return true;
    return false;
}

/// "/usr/bin/tar" may be listed as "/bin/tar": one of them is a link since the folders were merged.
std::string_view without_usr(std::string_view file) noexcept {
    if (file.starts_with("/usr/bin/") || file.starts_with("/usr/sbin/")) file.remove_prefix(4);
    return file;
}

}  // namespace

std::string upstream_version(std::string_view text) {
    text = trimmed(text);
    if (const auto colon = text.find(':'); colon != text.npos) text.remove_prefix(colon + 1);
    if (const auto dash = text.rfind('-'); dash != text.npos) text = text.substr(0, dash);
    if (const auto really = text.find("+really"); really != text.npos) text.remove_prefix(really + 7);
    text = text.substr(0, text.find_first_of("+-"));  // "+dfsg", "+git20230101"
    for (std::string_view distribution : {"~deb", "~bpo", "~ubuntu"}) text = text.substr(0, text.find(distribution));
    if (!fits(text) || !is_digit(text.front())) return {};
    std::string out;
    for (char c : text) {
        const bool word = is_word(c) || c == '.';
        if (!word && c != '~' && c != '_') return {};
        out += c == '~' || c == '_' ? '-' : c;  // a release candidate, as its maker would write it
    }
    return out;
}

std::vector<package> parse_dpkg_status(std::string_view rest) {
    std::vector<package> found;
    package now;
    bool installed = false;
    const auto end_of_stanza = [&] {
        if (installed && fits(now.name) && fits(now.version) && found.size() < package_database::k_max_packages)
            found.push_back(std::move(now));
        now = {};
        installed = false;
    };
    std::string_view line;
    while (next_line(rest, line)) {
        if (trimmed(line).empty())
            end_of_stanza();
        else if (line.starts_with("Package:"))
            now.name = trimmed(line.substr(8));
        else if (line.starts_with("Version:"))
            now.version = trimmed(line.substr(8));
        else if (line.starts_with("Architecture:"))
            now.architecture = trimmed(line.substr(13));
        else if (line.starts_with("Status:"))
            installed = trimmed(line.substr(7)).ends_with(" installed");
    }
    end_of_stanza();
    return found;
}

std::vector<package> parse_apk_installed(std::string_view rest, std::map<std::string, std::string>* programs) {
    std::vector<package> found;
    package now;
    std::string folder;
    const auto end_of_package = [&] {
        if (fits(now.name) && fits(now.version) && found.size() < package_database::k_max_packages)
            found.push_back(std::move(now));
        now = {};
        folder.clear();
    };
    std::string_view line;
    while (next_line(rest, line)) {
        line = trimmed(line);
        const auto value = line.size() > 2 ? line.substr(2) : std::string_view();
        if (line.empty())
            end_of_package();
        else if (line.starts_with("P:"))
            now.name = value;
        else if (line.starts_with("V:"))
            now.version = value;
        else if (line.starts_with("A:"))
            now.architecture = value;
        else if (line.starts_with("F:"))
            folder = value.ends_with("bin") && fits(value) ? "/" + std::string(value) + "/" : std::string();
        else if (line.starts_with("R:") && programs && !folder.empty() && fits(value) && fits(now.version) &&
                 programs->size() < package_database::k_max_packages)
            (*programs)[folder + std::string(value)] = now.version;
    }
    end_of_package();
    return found;
}

std::optional<package> parse_pacman_folder(std::string_view name) {
    const auto release = name.rfind('-');
    if (release == name.npos || release == 0) return std::nullopt;
    const auto version = name.rfind('-', release - 1);
    if (version == name.npos || version == 0 || version + 1 == release || release + 1 == name.size() || !fits(name))
        return std::nullopt;
    return package{std::string(name.substr(0, version)), std::string(name.substr(version + 1)), {}};
}

package_database package_database::read(const sdk::sysroot& root) {
    package_database db;
    const auto take = [&](std::string_view manager, sdk::file_text file) {
        db.manager_ = manager;
        db.file_ = std::move(file);
        db.listed_ = bool(db.file_);
    };
    if (auto file = root.read("/var/lib/dpkg/status", k_max_bytes); file.status != sdk::read_status::absent) {
        take("dpkg", std::move(file));
        db.packages_ = parse_dpkg_status(db.file_.text);
    } else if (file = root.read("/lib/apk/db/installed", k_max_bytes); file.status != sdk::read_status::absent) {
        take("apk", std::move(file));
        db.packages_ = parse_apk_installed(db.file_.text, &db.programs_);
    } else if (const auto names = root.list("/var/lib/pacman/local"); !names.empty()) {
        take("pacman", {"/var/lib/pacman/local", sdk::read_status::ok, 0, {}});
        for (const auto& name : names)
            if (auto p = parse_pacman_folder(name)) db.packages_.push_back(std::move(*p));
    } else {
        for (const char* path : {"/usr/lib/sysimage/rpm/rpmdb.sqlite", "/usr/lib/sysimage/rpm/Packages.db",
                                 "/var/lib/rpm/rpmdb.sqlite", "/var/lib/rpm/Packages.db", "/var/lib/rpm/Packages"})
            if (root.probe(path) == sdk::read_status::ok) {
                take("rpm", {path, sdk::read_status::ok, 0, {}});
                db.listed_ = false;
                break;
            }
        if (db.manager_.empty()) db.file_ = root.read("/var/lib/dpkg/status", 1);
    }
    db.file_.text.clear();
    db.file_.text.shrink_to_fit();
    std::sort(db.packages_.begin(), db.packages_.end(), [](const package& a, const package& b) {
        return std::tie(a.name, a.architecture, a.version) < std::tie(b.name, b.architecture, b.version);
    });
    return db;
}

std::string package_database::hash() const {
    constexpr std::string_view k_end("", 1);  // a NUL: "ab" "c" is not "a" "bc"
    sdk::short_hasher h;
    for (const auto& p : packages_)
        for (std::string_view text :
             {std::string_view(p.name), std::string_view(p.version), std::string_view(p.architecture)}) {
            h.add(text);
            h.add(k_end);
        }
    return h.text();
}

bool package_database::ships(const sdk::sysroot& root, const package& which, std::string_view file) const {
    if (manager_ == "dpkg") {
        const std::string base = "/var/lib/dpkg/info/" + which.name;
        auto list = root.read(base + ".list");
        if (!list) list = root.read(base + ":" + which.architecture + ".list");
        return has_line(list.text, file) || has_line(list.text, without_usr(file));
    }
    if (manager_ == "pacman" && file.starts_with('/'))
        return has_line(root.read("/var/lib/pacman/local/" + which.name + "-" + which.version + "/files").text,
                        file.substr(1));
    return false;
}

std::optional<std::string> package_database::version_of(const sdk::sysroot& root, std::string_view file,
                                                        const std::vector<std::string>& candidates) const {
    const auto upstream = [](std::string_view text) {
        auto version = upstream_version(text);
        return version.empty() ? std::nullopt : std::optional(std::move(version));
    };
    if (manager_ == "apk") {
        auto at = programs_.find(std::string(file));
        if (at == programs_.end()) at = programs_.find(std::string(without_usr(file)));
        return at == programs_.end() ? std::nullopt : upstream(at->second);
    }
    std::size_t lists = 0;
    for (const auto& pattern : candidates) {
        const std::string_view head = std::string_view(pattern).substr(0, pattern.find('*'));
        auto at = std::lower_bound(packages_.begin(), packages_.end(), head,
                                   [](const package& p, std::string_view name) { return p.name < name; });
        for (; at != packages_.end() && at->name.starts_with(head) && lists < k_max_lists; ++at) {
            if (!matches(pattern, at->name)) continue;
            ++lists;
            if (ships(root, *at, file)) return upstream(at->version);
        }
    }
    return std::nullopt;
}

}  // namespace sigrun::software

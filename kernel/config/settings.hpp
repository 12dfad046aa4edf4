// Configuration: INI layers merged once into an immutable object, then checked section by section against
// option tables.
//   defaults of the tables < FILE < FILE's plugins.d/*.ini in name order < environment SIGRUN_SECTION__KEY <
//   --set section.key=value
// Poco::Util reads the INI; a scan of our own before it gives line numbers and refuses what Poco lets pass.
#pragma once

#include "kernel/base/result.hpp"

#include <sigrun/plugin.h>

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

struct setting {
    std::string value;
    std::string origin;  // "sigrun.ini:12", "environment SIGRUN_SERVER__LISTEN", "--set"
};

/// One section as written: "server", "instance http-main", "runner build-7".
struct config_section {
    std::string name;
    std::string origin;  // where it begins
    std::map<std::string, setting, std::less<>> values;
};

struct config_sources {
    std::string file;                    // empty = none
    std::string drop_in_dir;             // empty = none; a missing folder is fine
    std::vector<std::string> overrides;  // "section.key=value"; the key is what follows the last dot
    bool environment = true;
};

struct config_file {
    std::string name, text;
};
/// FILE and the drop-ins of `sources`, in the order in which they are merged.
result<std::vector<config_file>> read_config_files(const config_sources& sources);

/// The merged layers. Immutable, cheap to copy.
class settings {
public:
    /// Fails with file and line: not INI, duplicate key or section, unresolved ${...}, unreadable file.
    static result<settings> load(const config_sources& sources);
    static result<settings> parse(std::string_view ini_text, std::string_view file_name);
    /// These texts as the files; environment and overrides come from `sources`, whose own files are not read.
    static result<settings> merge(const std::vector<config_file>& files, const config_sources& sources);
    /// Sections that were merged before.
    static settings of(std::vector<config_section> sections);

    const std::vector<config_section>& sections() const noexcept;
    const config_section* find(std::string_view section) const noexcept;
    /// Sections "KIND name", e.g. of_kind("runner") -> "runner build-7".
    std::vector<const config_section*> of_kind(std::string_view kind) const;

private:
    std::shared_ptr<const std::vector<config_section>> sections_;
};

/// One section checked against an option table: every key known, every value parsed and within its limits.
/// Also what a plugin sees, through abi(). Immutable; abi() is valid while this object lives.
class bound_section {
public:
    /// `values` may be null (all defaults). A problem names key, expected, found, file:line, and for an
    /// unknown key the nearest known one. Keys in `reserved` (e.g. "component") are skipped.
    static result<std::shared_ptr<const bound_section>> bind(const config_section* values,
                                                             std::span<const sigrun_opt> table,
                                                             std::span<const std::string_view> reserved = {},
                                                             std::uint64_t revision = 1,
                                                             std::string_view path_base = {});
    ~bound_section();
    const sigrun_config* abi() const noexcept;

    // Typed readers; asking for an undeclared key is a programmer's error (throws).
    std::string text(std::string_view key) const;
    bool has(std::string_view key) const;              // set, or has a default
    std::int64_t integer(std::string_view key) const;  // INT, BOOL (0/1), SIZE bytes, DURATION ns
    bool boolean(std::string_view key) const { return integer(key) != 0; }
    double real(std::string_view key) const;
    std::vector<std::string> list(std::string_view key) const;
    /// key -> value as written or default; secrets as "***". For config.get.
    std::map<std::string, std::string> dump() const;
    /// What binds to the same values elsewhere: every key as written or default, paths with their base, secrets as they
    /// are. Not for showing.
    std::map<std::string, std::string, std::less<>> written() const;
    /// Keys whose values mean something else in `other`, a section bound to the same table: 10s and 10000ms do not.
    std::vector<std::string> differing_keys(const bound_section& other) const;
    std::vector<std::string> secret_keys() const;
    bool hot(std::string_view key) const;  // can change without a restart or a new instance

private:
    bound_section();
    struct impl;
    std::unique_ptr<impl> impl_;
};

/// The candidate with the smallest edit distance to `word` (at most 3), or "".
std::string nearest_name(std::string_view word, std::span<const std::string> candidates);

/// One component's or kernel section's options, for `config doc` and READMEs.
struct documented_section {
    std::string heading;  // "[server]" or "[instance NAME]  component = http:http"
    std::string doc;
    std::span<const sigrun_opt> options;
};
/// A complete commented INI with every option at its default.
std::string example_ini(std::span<const documented_section> sections);
/// The same as a table for a terminal: key, type, default, meaning.
std::string options_table(std::span<const documented_section> sections);

}  // namespace sigrun

// Which packages are installed, and which version of what a program's file comes from. Files only, nothing is run.
#pragma once

#include <sigrun/cpp/procfs.hpp>

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sigrun::software {

/// The part of a package's version that its maker gave: "2.39.5" of "1:2.39.5-0+deb12u2"; empty if there is none.
std::string upstream_version(std::string_view package_version);

struct package {
    std::string name, version, architecture;
};
/// Installed packages of dpkg's status file; others and stanzas of another form are left out.
std::vector<package> parse_dpkg_status(std::string_view text);
/// Packages of apk's database. `programs`, if asked for, gets the version for each file in a folder named bin or sbin.
std::vector<package> parse_apk_installed(std::string_view text, std::map<std::string, std::string>* programs = nullptr);
/// "gcc-libs-13.2.1-3" as pacman names its folders: name, version and release.
std::optional<package> parse_pacman_folder(std::string_view name);

class package_database {
public:
    static constexpr std::size_t k_max_bytes = 32 * 1024 * 1024, k_max_packages = 65'536;

    /// The first of dpkg, apk, pacman and rpm that has a database below `root`.
    static package_database read(const sdk::sysroot& root);

    const std::string& manager() const noexcept { return manager_; }  // empty: none was found
    const std::string& source() const noexcept { return file_.path; }
    /// The database's own state: it may be there and not readable.
    const sdk::file_text& file() const noexcept { return file_; }
    /// False: there is a database, but what it lists is not known (rpm).
    bool listed() const noexcept { return listed_; }
    const std::vector<package>& packages() const noexcept { return packages_; }  // sorted
    /// FNV-1a over all names, versions and architectures.
    std::string hash() const;

    /// The upstream version of the package among `candidates` (names, each with at most one *) that ships `file`.
    std::optional<std::string> version_of(const sdk::sysroot& root, std::string_view file,
                                          const std::vector<std::string>& candidates) const;

private:
    bool ships(const sdk::sysroot& root, const package& which, std::string_view file) const;

    std::string manager_;
    sdk::file_text file_;
    bool listed_ = false;
    std::vector<package> packages_;
    std::map<std::string, std::string> programs_;
};

}  // namespace sigrun::software

#include "kernel/app/sigrun/project_template.hpp"

#include "kernel/base/problem.hpp"
#include "kernel/config/settings.hpp"
#include "kernel/plugin/elf_gate.hpp"

#include <sigrun/plugin.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

namespace sigrun::cli {
namespace {

namespace fs = std::filesystem;
using replacements = std::map<std::string, std::string>;

// Names that build tools keep for themselves.
constexpr std::array<std::string_view, 10> k_taken{"all",     "clean",  "core", "help", "install",
                                                   "package", "sigrun", "std",  "test", "tests"};

/// A file name, a C identifier and a word in INI files, all at once.
bool is_name(std::string_view text) {
    if (text.empty() || text.size() > 32 || text[0] < 'a' || text[0] > 'z') return false;
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
}

std::string fill_in(std::string text, const replacements& values) {
    for (const auto& [placeholder, value] : values)
        for (std::size_t at = 0; (at = text.find(placeholder, at)) != std::string::npos; at += value.size())
            text.replace(at, placeholder.size(), value);
    return text;
}

result<std::string> content_of(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    if (!in) return make_problem(errc::io, "cannot read " + path.string());
    return out.str();
}

std::string list_of(const std::vector<std::string>& words) {
    std::string out;
    for (const auto& w : words) out += (out.empty() ? "" : ", ") + w;
    return out;
}

std::string quoted_with_hint(const std::string& found, const std::vector<std::string>& known) {
    const std::string near = nearest_name(found, known);
    return "\"" + found + "\"" + (near.empty() || near == found ? "" : ", perhaps \"" + near + "\"");
}

result<void> check(const std::string& template_dir, const new_project& what) {
    std::error_code ec;
    if (!fs::is_directory(template_dir, ec))
        return problem{errc::not_found, "the templates of the SDK are not installed", "--template-dir",
                       "the SDK's folder share/sigrun/template", template_dir};
    const auto kinds = template_kinds(template_dir);
    if (std::find(kinds.begin(), kinds.end(), what.kind) == kinds.end())
        return bad_value("kind", "one of " + list_of(kinds), quoted_with_hint(what.kind, kinds));
    const auto languages = template_languages(template_dir, what.kind);
    if (std::find(languages.begin(), languages.end(), what.lang) == languages.end())
        return bad_value("--lang", "one of " + list_of(languages), quoted_with_hint(what.lang, languages));
    if (!is_name(what.name))
        return bad_value("name", "at most 32 characters of a-z, 0-9 and _, beginning with a letter",
                         "\"" + what.name + "\"");
    if (std::find(k_taken.begin(), k_taken.end(), what.name) != k_taken.end())
        return bad_value("name", "a name that no build tool uses", "\"" + what.name + "\"");
    if (!is_plugin_id(what.id))
        return bad_value("--id", "a name such as com.vendor.thing, at most 63 characters", "\"" + what.id + "\"");
    if (fs::exists(fs::symlink_status(what.folder, ec)))
        return problem{errc::conflict, "nothing is overwritten", "--dir", "a folder that does not exist yet",
                       what.folder};
    return {};
}

result<void> write_layer(const fs::path& layer, const fs::path& to, const replacements& values,
                         std::vector<std::string>& written) {
    std::error_code ec;
    if (!fs::is_directory(layer, ec)) return {};
    for (fs::recursive_directory_iterator it(layer, ec), end; !ec && it != end; it.increment(ec)) {
        if (!it->is_regular_file()) continue;
        const std::string name = fill_in(fs::relative(it->path(), layer).string(), values);
        SIGRUN_TRY(text, content_of(it->path()));
        const fs::path file = to / name;
        fs::create_directories(file.parent_path(), ec);
        std::ofstream out(file, std::ios::binary);
        out << fill_in(std::move(text), values);
        if (!out.flush()) return make_problem(errc::io, "cannot write " + file.string());
        if (std::find(written.begin(), written.end(), name) == written.end()) written.push_back(name);
    }
    if (ec) return make_problem(errc::io, "cannot read " + layer.string() + ": " + ec.message());
    return {};
}

}  // namespace

std::vector<std::string> template_kinds(const std::string& template_dir) {
    std::vector<std::string> kinds;
    std::error_code ec;
    for (const auto& entry : fs::directory_iterator(template_dir, ec)) {
        const std::string name = entry.path().filename().string();
        const auto dash = name.find('-');
        if (dash == std::string::npos) continue;
        if (std::find(kinds.begin(), kinds.end(), name.substr(0, dash)) == kinds.end())
            kinds.push_back(name.substr(0, dash));
    }
    std::sort(kinds.begin(), kinds.end());
    return kinds;
}

std::vector<std::string> template_languages(const std::string& template_dir, std::string_view kind) {
    std::vector<std::string> languages;
    const std::string prefix = std::string(kind) + "-";
    std::error_code ec;
    for (const auto& entry : fs::directory_iterator(template_dir, ec))
        if (const std::string name = entry.path().filename().string(); name.starts_with(prefix))
            languages.push_back(name.substr(prefix.size()));
    std::sort(languages.begin(), languages.end());
    return languages;
}

result<std::vector<std::string>> make_project(const std::string& template_dir, const new_project& what) {
    SIGRUN_CHECK_OK(check(template_dir, what));
    const fs::path from = template_dir;
    std::error_code ec;
    replacements values{{"@name@", what.name},
                        {"@id@", what.id},
                        {"@kind@", what.kind},
                        {"@sdk_version@", SIGRUN_SDK_VERSION},
                        {"@main@", what.lang == "rust" ? "src/lib.rs" : what.name + "." + what.lang},
                        // The templates lie in PREFIX/share/sigrun/template.
                        {"@prefix@", fs::weakly_canonical(from / ".." / ".." / "..", ec).string()}};
    auto hint = content_of(from / "try" / (what.kind + ".md"));
    values["@try@"] = fill_in(hint ? *hint : "", values);
    std::vector<std::string> written;
    for (const auto& layer : {std::string("common"), what.lang, what.kind, what.kind + "-" + what.lang}) {
        if (auto done = write_layer(from / layer, what.folder, values, written); !done) {
            fs::remove_all(what.folder, ec);
            return done.error();
        }
    }
    std::sort(written.begin(), written.end());
    return written;
}

}  // namespace sigrun::cli

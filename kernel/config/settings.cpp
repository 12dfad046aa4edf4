#include "kernel/config/settings.hpp"

#include "kernel/config/ini_layers.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace sigrun {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t k_max_drop_ins = 256;

result<std::string> read_file(const std::string& path) {
    std::error_code ec;
    if (fs::is_directory(path, ec)) return bad_value(path, "a file", "a folder");
    std::ifstream in(path, std::ios::binary);
    if (!in) return make_problem(errc::not_found, "configuration file '" + path + "' cannot be opened");
    // One byte more than allowed, so that the scan sees that it is too much.
    std::string text(k_max_ini_bytes + 1, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (in.bad()) return make_problem(errc::io, "configuration file '" + path + "' cannot be read");
    text.resize(static_cast<std::size_t>(in.gcount()));
    return text;
}

result<std::vector<std::string>> drop_ins(const std::string& folder) {
    std::vector<std::string> files;
    std::error_code ec;
    if (folder.empty() || !fs::exists(folder, ec)) return files;
    for (fs::directory_iterator it(folder, ec), end; !ec && it != end; it.increment(ec)) {
        const fs::path& path = it->path();
        if (path.extension() != ".ini" || path.filename().string().front() == '.') continue;
        files.push_back(path.string());
        if (files.size() > k_max_drop_ins) return bad_value(folder, "at most 256 files", "more");
    }
    if (ec) return make_problem(errc::io, "folder '" + folder + "' cannot be read: " + ec.message());
    std::sort(files.begin(), files.end());
    return files;
}

}  // namespace

result<std::vector<config_file>> read_config_files(const config_sources& sources) {
    std::vector<config_file> files;
    if (!sources.file.empty()) {
        SIGRUN_TRY(text, read_file(sources.file));
        files.push_back({sources.file, std::move(text)});
    }
    SIGRUN_TRY(names, drop_ins(sources.drop_in_dir));
    for (const auto& name : names) {
        SIGRUN_TRY(text, read_file(name));
        files.push_back({name, std::move(text)});
    }
    return files;
}

result<settings> settings::load(const config_sources& sources) {
    SIGRUN_TRY(files, read_config_files(sources));
    return merge(files, sources);
}

result<settings> settings::merge(const std::vector<config_file>& files, const config_sources& sources) {
    ini_layers layers;
    for (const auto& file : files) SIGRUN_CHECK_OK(layers.add_text(file.text, file.name));
    if (sources.environment) SIGRUN_CHECK_OK(layers.add_environment());
    for (const auto& text : sources.overrides) SIGRUN_CHECK_OK(layers.add_override(text));
    SIGRUN_TRY(merged, layers.merge());
    return of(std::move(merged));
}

result<settings> settings::parse(std::string_view ini_text, std::string_view file_name) {
    config_sources nothing_else;
    nothing_else.environment = false;
    return merge({{std::string(file_name), std::string(ini_text)}}, nothing_else);
}

settings settings::of(std::vector<config_section> sections) {
    settings out;
    out.sections_ = std::make_shared<const std::vector<config_section>>(std::move(sections));
    return out;
}

const std::vector<config_section>& settings::sections() const noexcept {
    static const std::vector<config_section> none;
    return sections_ ? *sections_ : none;
}

const config_section* settings::find(std::string_view section) const noexcept {
    for (const auto& s : sections())
        if (s.name == section) return &s;
    return nullptr;
}

std::vector<const config_section*> settings::of_kind(std::string_view kind) const {
    std::vector<const config_section*> out;
    for (const auto& s : sections())
        if (s.name.size() > kind.size() && s.name.starts_with(kind) && s.name[kind.size()] == ' ') out.push_back(&s);
    return out;
}

}  // namespace sigrun

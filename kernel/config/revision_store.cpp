#include "kernel/config/revision_store.hpp"

#include "kernel/base/json.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace sigrun {
namespace {

namespace fs = std::filesystem;

problem cannot(const std::string& what, const std::string& path) {
    return problem{errc::io, what, "state-dir", "a directory this user can write, with room",
                   path + " (" + std::strerror(errno) + ")"};
}

json::array texts(const std::vector<std::string>& list) { return json::array(list.begin(), list.end()); }

std::vector<std::string> texts_of(const json::object& o, std::string_view member) {
    std::vector<std::string> out;
    if (const auto* list = array_or_null(o, member))
        for (const auto& item : *list)
            if (item.is_string()) out.emplace_back(item.get_string());
    return out;
}

std::string to_text(const config_revision& r) {
    json::array files, sections;
    for (const auto& file : r.files) files.push_back(json::object{{"name", file.name}, {"text", file.text}});
    for (const auto& section : r.merged.sections()) {
        json::object values;
        for (const auto& [key, value] : section.values)
            values[key] = json::object{{"value", value.value}, {"origin", value.origin}};
        sections.push_back(
            json::object{{"name", section.name}, {"origin", section.origin}, {"values", std::move(values)}});
    }
    return json::serialize(json::object{{"number", r.number},
                                        {"wall_ns", r.wall_ns},
                                        {"why", r.why},
                                        {"note", r.note},
                                        {"files", std::move(files)},
                                        {"sections", std::move(sections)},
                                        {"secrets", texts(r.secrets)},
                                        {"changes", texts(r.changes)}});
}

config_revision from_object(const json::object& o) {
    config_revision r;
    r.number = number_or<std::uint64_t>(o, "number", 0);
    r.wall_ns = number_or<std::int64_t>(o, "wall_ns", 0);
    r.why = text_or(o, "why");
    r.note = text_or(o, "note");
    r.secrets = texts_of(o, "secrets");
    r.changes = texts_of(o, "changes");
    if (const auto* files = array_or_null(o, "files"))
        for (const auto& item : *files)
            if (const auto* file = item.if_object())
                r.files.push_back({std::string(text_or(*file, "name")), std::string(text_or(*file, "text"))});
    std::vector<config_section> sections;
    if (const auto* list = array_or_null(o, "sections"))
        for (const auto& item : *list)
            if (const auto* from = item.if_object()) {
                config_section section{std::string(text_or(*from, "name")), std::string(text_or(*from, "origin")), {}};
                if (const auto* values = object_or_null(*from, "values"))
                    for (const auto& [key, value] : *values)
                        if (const auto* v = value.if_object())
                            section.values[std::string(key)] = {std::string(text_or(*v, "value")),
                                                                std::string(text_or(*v, "origin"))};
                sections.push_back(std::move(section));
            }
    r.merged = settings::of(std::move(sections));
    return r;
}

// The whole text, or nothing: a reader never sees half a file, and none is there after a crash.
result<void> write_durably(const std::string& folder, const std::string& path, const std::string& text) {
    const std::string fresh = path + ".new";
    const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return cannot("the configuration cannot be kept", fresh);
    bool good = true;
    for (std::size_t at = 0; good && at < text.size();) {
        const ssize_t n = ::write(fd, text.data() + at, text.size() - at);
        if (n < 0 && errno == EINTR) continue;
        good = n >= 0;
        at += good ? static_cast<std::size_t>(n) : 0;
    }
    good = good && ::fsync(fd) == 0;
    problem why = good ? problem{} : cannot("the configuration cannot be kept", fresh);
    ::close(fd);
    if (good && ::rename(fresh.c_str(), path.c_str()) != 0) {
        why = cannot("the configuration cannot be kept", path);
        good = false;
    }
    if (!good) {
        ::unlink(fresh.c_str());
        return why;
    }
    if (const int dir = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); dir >= 0) {
        ::fsync(dir);
        ::close(dir);
    }
    return {};
}

}  // namespace

result<void> revision_store::open() {
    std::error_code ec;
    fs::create_directories(fs::path(folder_).parent_path(), ec);
    if (::mkdir(folder_.c_str(), 0700) != 0 && errno != EEXIST)
        return cannot("earlier configurations cannot be kept", folder_);
    if (::chmod(folder_.c_str(), 0700) != 0) return cannot("earlier configurations cannot be kept", folder_);
    numbers_.clear();
    for (fs::directory_iterator it(folder_, ec), end; !ec && it != end; it.increment(ec)) {
        const std::string name = it->path().filename().string();
        std::uint64_t number = 0;
        auto [rest, error] = std::from_chars(name.data(), name.data() + name.size(), number);
        const std::string_view suffix(rest, static_cast<std::size_t>(name.data() + name.size() - rest));
        if (error == std::errc() && number && suffix == ".json") numbers_.push_back(number);
    }
    if (ec) {
        errno = ec.value();
        return cannot("earlier configurations cannot be kept", folder_);
    }
    std::sort(numbers_.begin(), numbers_.end());
    return {};
}

result<config_revision> revision_store::load(std::uint64_t number) const {
    if (!std::binary_search(numbers_.begin(), numbers_.end(), number))
        return problem{errc::not_found, "no such revision", "revision",
                       numbers_.empty() ? "none is kept yet"
                                        : "a number from " + std::to_string(numbers_.front()) + " to " +
                                              std::to_string(numbers_.back()) + " (see `sigrun config history`)",
                       std::to_string(number)};
    std::ifstream in(path_of(number), std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    json::parse_options as_written;
    as_written.allow_invalid_utf8 = true;  // an INI may be in any encoding
    boost::system::error_code ec;
    const json::value document = json::parse(text.view(), ec, {}, as_written);
    if (!in || ec || !document.is_object())
        return problem{errc::io, "the revision cannot be read", "revision", "what was written to " + path_of(number),
                       !in  ? std::string(std::strerror(errno))
                       : ec ? ec.message()
                            : "another JSON value"};
    return from_object(document.get_object());
}

result<void> revision_store::add(const config_revision& revision) {
    SIGRUN_CHECK_OK(write_durably(folder_, path_of(revision.number), to_text(revision)));
    numbers_.push_back(revision.number);
    while (numbers_.size() > k_kept) {
        ::unlink(path_of(numbers_.front()).c_str());
        numbers_.erase(numbers_.begin());
    }
    return {};
}

}  // namespace sigrun

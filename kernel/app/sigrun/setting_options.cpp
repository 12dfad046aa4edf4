#include "kernel/app/sigrun/setting_options.hpp"

#include <sigrun/cpp/job_setting.hpp>

#include <charconv>

namespace sigrun::cli {
namespace {

result<json::value> terminal_of(const setting_options& o) {
    if (o.pty_size.empty()) return json::value(true);
    unsigned columns = 0, rows = 0;
    const char* end = o.pty_size.data() + o.pty_size.size();
    auto [x, first] = std::from_chars(o.pty_size.data(), end, columns);
    const bool times = first == std::errc{} && x != end && *x == 'x';
    auto [stop, second] = std::from_chars(times ? x + 1 : end, end, rows);
    if (!times || second != std::errc{} || stop != end)
        return bad_value("--pty-size", "COLUMNSxROWS such as 80x24", "\"" + o.pty_size + "\"");
    return json::value(json::object{{"columns", columns}, {"rows", rows}});
}

result<void> add_part(const std::string& word, json::object& isolation) {
    const auto equals = word.find('=');
    const std::string name = word.substr(0, equals);
    std::string known;
    for (const auto& row : sdk::k_job_isolation) {
        known += std::string(row.name) + ", ";
        if (name != "all" && name != row.name) continue;
        isolation[row.name] = equals == word.npos ? std::string(row.on) : word.substr(equals + 1);
        if (name == row.name) return {};
    }
    if (name == "all" && equals == word.npos) return {};
    return bad_value("--isolate", "all, or some of " + known.substr(0, known.size() - 2), "\"" + word + "\"");
}

}  // namespace

result<void> add_setting(const setting_options& o, json::object& document) {
    if (!o.user.empty()) document["user"] = o.user;
    if (o.pty || !o.pty_size.empty()) {
        SIGRUN_TRY(terminal, terminal_of(o));
        document["pty"] = std::move(terminal);
    }
    json::object isolation;
    for (const auto& word : o.isolate) SIGRUN_CHECK_OK(add_part(word, isolation));
    if (!o.writable.empty()) {
        json::array paths;
        for (const auto& path : o.writable) paths.emplace_back(path);
        isolation["writable"] = std::move(paths);
    }
    if (!o.enforce.empty()) isolation["enforce"] = o.enforce;
    json::object container;
    if (!o.image.empty()) container["image"] = o.image;
    if (!o.pull.empty()) container["pull"] = o.pull;
    if (!container.empty()) {
        document["container"] = std::move(container);
        document["kind"] = "container";
    }
    if (!isolation.empty()) document["isolation"] = std::move(isolation);
    return {};
}

}  // namespace sigrun::cli

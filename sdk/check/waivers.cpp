#include "waivers.hpp"

#include "rules.hpp"

#include <fstream>
#include <sstream>

namespace sigrun::check {
namespace {

std::string trimmed(const std::string& text) {
    const auto first = text.find_first_not_of(" \t\r");
    if (first == text.npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

}  // namespace

result<std::map<std::string, std::string>> read_waivers(const std::string& path, bool must_exist) {
    std::map<std::string, std::string> out;
    std::ifstream in(path);
    if (!in) {
        if (must_exist) return make_problem(errc::io, "cannot read " + path);
        return out;
    }
    bool inside = false;
    int number = 0;
    // Rule ids have slashes and reasons any text, so the lines are read here and not as a configuration.
    for (std::string line; std::getline(in, line);) {
        const std::string where = path + ":" + std::to_string(++number);
        line = trimmed(line);
        if (line.empty() || line[0] == ';' || line[0] == '#') continue;
        if (line[0] == '[') {
            inside = line == "[waive]";
            if (!inside) return bad_value(where, "the section [waive]", line);
            continue;
        }
        const auto equals = line.find('=');
        if (!inside || equals == line.npos) return bad_value(where, "[waive], then RULE = reason", line);
        const std::string id = trimmed(line.substr(0, equals)), reason = trimmed(line.substr(equals + 1));
        if (!find_rule(id)) return bad_value(where, "a rule, see --list", id);
        if (reason.empty()) return bad_value(where, "a reason", "nothing");
        out[id] = reason;
    }
    return out;
}

void apply_waivers(const std::map<std::string, std::string>& waivers, std::vector<finding>& findings) {
    for (auto& f : findings) {
        auto waived = waivers.find(f.rule);
        if (waived == waivers.end() || (f.result != outcome::fail && f.result != outcome::warn)) continue;
        f.result = outcome::waived;
        f.note = waived->second;
    }
}

}  // namespace sigrun::check

#include "output.hpp"

#include "rules.hpp"

#include <sigrun/cpp/text.hpp>
#include <sigrun/plugin.h>

#include <boost/json.hpp>

#include <algorithm>
#include <cstdio>

namespace sigrun::check {
namespace {

namespace json = boost::json;
using sdk::concat;

int badness(outcome o) noexcept {
    switch (o) {
        case outcome::fail: return 4;
        case outcome::waived: return 3;
        case outcome::warn: return 2;
        case outcome::pass: return 1;
        case outcome::skip: return 0;
    }
    return 0;
}

std::string message(const finding& f) {
    std::string out;
    if (!f.expected.empty() || !f.found.empty()) out = concat("expected ", f.expected, ", found ", f.found);
    if (!f.note.empty()) out += concat(out.empty() ? "" : " (", f.note, out.empty() ? "" : ")");
    return out;
}

// The verdict of each group that ran; one with a failed rule has failed.
std::map<std::string, std::string> groups_of(const std::vector<finding>& rules,
                                             const std::vector<std::string>& groups) {
    std::map<std::string, std::string> out;
    for (const auto& f : rules) {
        const std::string group(group_of(f.rule));
        // Single rules may be met by the tests of another group.
        if (f.result != outcome::fail && std::find(groups.begin(), groups.end(), group) == groups.end()) continue;
        auto& verdict = out[group];
        if (f.result == outcome::fail)
            verdict = "fail";
        else if (verdict != "fail" && f.result != outcome::skip)
            verdict = "pass";
    }
    // A group of which nothing could be asked is no pass.
    for (auto& [name, verdict] : out)
        if (verdict.empty()) verdict = "skip";
    return out;
}

std::string escaped(std::string_view text) {
    std::string out;
    for (char c : text) {
        if (c == '<')
            out += "&lt;";
        else if (c == '>')
            out += "&gt;";
        else if (c == '&')
            out += "&amp;";
        else if (c == '"')
            out += "&quot;";
        else
            out += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
    }
    return out;
}

}  // namespace

std::vector<finding> by_rule(const std::vector<finding>& findings) {
    std::vector<finding> out;
    for (const auto& each : all_rules())
        for (const auto& f : findings) {
            if (f.rule != each.id) continue;
            if (!out.empty() && out.back().rule == f.rule) {
                if (badness(f.result) > badness(out.back().result)) out.back() = f;
            } else {
                out.push_back(f);
            }
        }
    return out;
}

bool passed(const std::vector<finding>& findings) {
    return std::none_of(findings.begin(), findings.end(), [](const finding& f) { return f.result == outcome::fail; });
}

std::string as_table(const subject& file, const std::vector<finding>& rules) {
    std::size_t width = 4;
    for (const auto& f : rules) width = std::max(width, f.rule.size());
    std::string out = concat(file.path, "  ", file.note.id.empty() ? "(no readable note)" : file.note.id, " ",
                             file.note.version, "\n\n");
    std::map<outcome, int> count;
    for (const auto& f : rules) {
        ++count[f.result];
        std::string result(to_string(f.result));
        if (f.result == outcome::fail) result = "FAIL";
        out += f.rule + std::string(width - f.rule.size() + 2, ' ') + result + std::string(8 - result.size(), ' ') +
               message(f) + "\n";
    }
    out += concat("\n", passed(rules) ? "passed" : "FAILED", ": ", count[outcome::pass], " pass, ",
                  count[outcome::fail], " fail, ", count[outcome::warn], " warn, ", count[outcome::waived], " waived, ",
                  count[outcome::skip], " skipped\n");
    if (!passed(rules)) out += "Why a rule exists, and how to fix what breaks it: sigrun-plugin-check --explain RULE\n";
    return out;
}

std::string as_json(const subject& file, const std::vector<finding>& rules, const std::vector<std::string>& ran) {
    json::array list;
    for (const auto& f : rules) {
        json::object one{{"rule", f.rule},         {"result", to_string(f.result)},
                         {"expected", f.expected}, {"found", f.found},
                         {"note", f.note},         {"test", f.test},
                         {"test_ms", f.ms}};
        list.push_back(std::move(one));
    }
    json::object groups;
    for (const auto& [name, verdict] : groups_of(rules, ran)) groups[name] = verdict;
    return json::serialize(json::object{{"file", file.path},
                                        {"sha256", file.sha256},
                                        {"id", file.note.id},
                                        {"version", file.note.version},
                                        {"tool", SIGRUN_SDK_VERSION},
                                        {"passed", passed(rules)},
                                        {"groups", std::move(groups)},
                                        {"results", std::move(list)}}) +
           "\n";
}

std::string as_junit(const subject& file, const std::vector<finding>& rules) {
    std::string cases;
    int failures = 0, skipped = 0;
    for (const auto& f : rules) {
        cases += concat("  <testcase classname=\"", escaped(group_of(f.rule)), "\" name=\"", escaped(f.rule), "\"");
        if (f.result == outcome::fail) {
            ++failures;
            cases += concat("><failure message=\"", escaped(message(f)), "\"/></testcase>\n");
        } else if (f.result == outcome::skip || f.result == outcome::waived) {
            ++skipped;
            cases += concat("><skipped message=\"", escaped(message(f)), "\"/></testcase>\n");
        } else {
            cases += "/>\n";
        }
    }
    return concat("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"", escaped(file.name), "\" tests=\"",
                  rules.size(), "\" failures=\"", failures, "\" skipped=\"", skipped, "\">\n", cases, "</testsuite>\n");
}

std::string as_verdict(const subject& file, const std::vector<finding>& rules, const std::vector<std::string>& ran) {
    json::object groups;
    for (const auto& [name, verdict] : groups_of(rules, ran)) groups[name] = verdict;
    return json::serialize(json::object{{"sha256", file.sha256},
                                        {"id", file.note.id},
                                        {"version", file.note.version},
                                        {"tool", SIGRUN_SDK_VERSION},
                                        {"groups", std::move(groups)}}) +
           "\n";
}

}  // namespace sigrun::check

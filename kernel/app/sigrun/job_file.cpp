#include "kernel/app/sigrun/job_file.hpp"

#include "kernel/app/sigrun/job_document.hpp"
#include "kernel/config/settings.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace sigrun::cli {
namespace {

// Fields of the document that are one text.
constexpr std::array<std::string_view, 17> k_texts{
    "kind",        "user",     "workdir",  "payload",  "queue",      "tenant",
    "priority",    "balancer", "affinity", "protocol", "durability", "preferred_protocol",
    "max_latency", "zone",     "start_at", "delay",    "when"};
constexpr std::array<std::string_view, 4> k_switches{"idempotent", "hedge", "explain", "pty"};
// Those that have members: the word in the file, and the field.
struct family {
    std::string_view word, field;
    enum class form { text, list, number, any } values;
};
constexpr std::array<family, 12> k_families{{{"env", "env", family::form::text},
                                             {"label", "labels", family::form::text},
                                             {"labels", "labels", family::form::text},
                                             {"timeout", "timeouts", family::form::text},
                                             {"timeouts", "timeouts", family::form::text},
                                             {"matrix", "matrix", family::form::list},
                                             {"retry", "retry", family::form::number},
                                             {"limit", "limits", family::form::any},
                                             {"limits", "limits", family::form::any},
                                             {"isolation", "isolation", family::form::text},
                                             {"container", "container", family::form::text},
                                             {"group", "group", family::form::text}}};

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

std::string_view stripped(std::string_view text) {
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    return text;
}

json::array texts(const std::vector<std::string>& words) {
    json::array out;
    for (const auto& w : words) out.emplace_back(w);
    return out;
}

std::optional<json::value> number_of(std::string_view text) {
    boost::system::error_code ec;
    auto v = json::parse(text, ec);
    return !ec && v.is_number() ? std::optional(std::move(v)) : std::nullopt;
}

// "os=a, cc=gcc"
result<json::value> pattern(std::string_view text, const std::string& where) {
    json::object out;
    for (const auto& each : split_list(text)) {
        const auto equals = each.find('=');
        if (equals == std::string::npos || !equals) return bad_value(where, "NAME=VALUE, ..", "\"" + each + "\"");
        out[stripped(std::string_view(each).substr(0, equals))] = stripped(std::string_view(each).substr(equals + 1));
    }
    return json::value(std::move(out));
}

void append(json::object& to, std::string_view field, json::value item) {
    auto& list = to[field];
    if (!list.is_array()) list = json::array();
    list.as_array().push_back(std::move(item));
}

struct section {
    json::object job{};
    std::string group{}, policy{};
    std::vector<std::string> may_fail{};  // names of steps
    std::string may_fail_at{};
    std::size_t group_line = 0;

    result<void> member(const family& of, std::string_view name, std::string_view value, const std::string& where) {
        if (of.field == "group") {
            if (name != "policy") return bad_value(where, "group or group.policy", "group." + std::string(name));
            policy = value;
            return {};
        }
        auto& inside = job[of.field];
        if (!inside.is_object()) inside = json::object();
        json::value v(value);
        if (of.values == family::form::list) v = texts(split_list(value));
        const bool counts = of.values == family::form::number || of.values == family::form::any;
        if (const auto number = counts ? number_of(value) : std::nullopt)
            v = *number;
        else if (of.values == family::form::number)
            return bad_value(where, "a number", "\"" + std::string(value) + "\"");
        inside.as_object()[name] = std::move(v);
        return {};
    }

    result<void> words_of(std::string_view key, std::string_view value, const std::string& where) {
        auto words = split_words(value);
        if (!words) return bad_value(where, words.error().expected, words.error().found);
        if (words->empty()) return bad_value(where, "a command", "nothing");
        if (key == "command")
            job["command"] = texts(*words);
        else
            append(job, "steps", json::object{{"name", key.substr(5)}, {"command", texts(*words)}});
        return {};
    }

    result<void> set(std::string_view key, std::string_view value, const std::string& where) {
        const auto dot = key.find('.');
        const auto word = key.substr(0, dot);
        const auto rest = dot == std::string_view::npos ? std::string_view() : key.substr(dot + 1);
        if (key == "command" || (word == "step" && !rest.empty())) return words_of(key, value, where);
        if (word == "exclude") {
            SIGRUN_TRY(out, pattern(value, where));
            append(job, "exclude", std::move(out));
            return {};
        }
        if (!rest.empty()) {
            for (const auto& each : k_families)
                if (each.word == word) return member(each, rest, value, where);
        } else if (key == "shell") {
            job["command"] = json::array{"sh", "-c", value};
        } else if (key == "requires" || key == "require") {
            job["requires"] = value;
        } else if (key == "needs") {
            job["needs"] = texts(split_list(value));
        } else if (key == "group") {
            group = value;
        } else if (key == "continue_on_error") {
            may_fail = split_list(value);
            may_fail_at = where;
        } else if (key == "artifacts") {
            job["artifacts"] = texts(split_list(value));
        } else if (key == "secrets") {
            auto secrets = secret_values(split_list(value));
            if (!secrets) return bad_value(where, secrets.error().expected, secrets.error().found);
            job["secrets"] = std::move(*secrets);
        } else if (std::find(k_switches.begin(), k_switches.end(), key) != k_switches.end()) {
            if (value != "yes" && value != "no" && value != "true" && value != "false")
                return bad_value(where, "yes or no", "\"" + std::string(value) + "\"");
            job[key] = value == "yes" || value == "true";
        } else if (std::find(k_texts.begin(), k_texts.end(), key) != k_texts.end()) {
            job[key] = value;
        } else {
            return unknown(key, where);
        }
        return dot == std::string_view::npos ? result<void>() : unknown(key, where);
    }

    static problem unknown(std::string_view key, const std::string& where) {
        std::vector<std::string> known(k_texts.begin(), k_texts.end());
        known.insert(known.end(), k_switches.begin(), k_switches.end());
        known.insert(known.end(), {"command", "shell", "needs", "requires", "group", "exclude", "artifacts", "secrets",
                                   "continue_on_error", "step.NAME"});
        for (const auto& each : k_families) known.push_back(std::string(each.word) + ".NAME");
        auto near = nearest_name(key, known);
        std::string expected = "perhaps \"" + near + "\"";
        if (near.empty()) {
            expected.clear();
            for (const auto& each : known) expected += (expected.empty() ? "one of " : ", ") + each;
        }
        return {errc::unknown_field, "unknown key", where, expected, "\"" + std::string(key) + "\""};
    }

    result<json::object> done(const std::string& file) {
        if (!group.empty() || !policy.empty()) {
            auto value = group_value(group, policy);
            if (!value)
                return bad_value(file + ":" + std::to_string(group_line), value.error().expected, value.error().found);
            job["group"] = *value;
        }
        for (const auto& name : may_fail) {
            auto* steps = job.contains("steps") ? job["steps"].if_array() : nullptr;
            bool found = false;
            if (steps)
                for (auto& each : *steps) {
                    if (text_or(each.as_object(), "name") != name) continue;
                    each.as_object()["continue_on_error"] = true;
                    found = true;
                }
            if (!found) return bad_value(may_fail_at, "names of steps of this job", "\"" + name + "\"");
        }
        return std::move(job);
    }
};

struct line {
    std::size_t number = 0;
    std::string text;
};

// Comments and empty lines gone, continuations joined.
result<std::vector<line>> logical_lines(std::string_view text, const std::string& file) {
    std::vector<line> out;
    for (std::size_t number = 1; !text.empty(); ++number) {
        const auto end = text.find('\n');
        auto one = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        if (!one.empty() && one.back() == '\r') one.remove_suffix(1);
        const auto bare = stripped(one);
        if (bare.empty() || one[0] == '#' || one[0] == ';') continue;
        if (is_blank(one[0])) {
            if (out.empty() || out.back().text[0] == '[')
                return bad_value(file + ":" + std::to_string(number), "a key at the beginning of its line",
                                 "\"" + std::string(bare.substr(0, 60)) + "\"");
            out.back().text += "\n" + std::string(bare);
            continue;
        }
        out.push_back({number, std::string(bare)});
    }
    return out;
}

}  // namespace

std::vector<std::string> split_list(std::string_view text) {
    std::vector<std::string> out;
    std::string item;
    int depth = 0;
    const auto take = [&] {
        if (const auto bare = stripped(item); !bare.empty()) out.emplace_back(bare);
        item.clear();
    };
    for (const char c : text) {
        depth += c == '(' ? 1 : c == ')' && depth ? -1 : 0;
        if (c == ',' && !depth)
            take();
        else
            item += c;
    }
    take();
    return out;
}

result<json::value> group_value(std::string_view text, std::string_view policy) {
    const auto colon = text.rfind(':');
    json::object out{{"name", text.substr(0, colon)}};
    if (colon != std::string_view::npos) {
        const auto digits = text.substr(colon + 1);
        std::uint32_t max = 0;
        const auto [stop, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), max);
        if (ec != std::errc{} || stop != digits.data() + digits.size() || !max)
            return bad_value("group", "NAME or NAME:MAX such as deploy:2", "\"" + std::string(text) + "\"");
        out["max"] = max;
    }
    if (text.empty()) return bad_value("group", "NAME or NAME:MAX such as deploy:2", "only a policy");
    if (!policy.empty()) out["policy"] = policy;
    return json::value(std::move(out));
}

result<json::object> jobs_of_ini(std::string_view text, const std::string& name) {
    if (text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);
    SIGRUN_TRY(lines, logical_lines(text, name));
    constexpr std::string_view k_job = "job.";
    json::array jobs;
    json::object out;
    std::optional<section> open;
    std::string title;
    std::vector<std::string> titles;
    std::vector<std::string> keys;
    const auto close = [&]() -> result<void> {
        if (!open) return {};
        SIGRUN_TRY(job, open->done(name));
        if (title == "defaults") {
            out["defaults"] = std::move(job);
            return {};
        }
        json::object named{{"name", title.substr(k_job.size())}};
        for (auto& [key, value] : job) named[key] = std::move(value);
        jobs.push_back(std::move(named));
        return {};
    };
    for (const auto& each : lines) {
        const auto where = name + ":" + std::to_string(each.number);
        if (each.text[0] == '[') {
            SIGRUN_CHECK_OK(close());
            title =
                each.text.back() == ']' ? stripped(std::string_view(each.text).substr(1, each.text.size() - 2)) : "";
            if (title != "defaults" && (!title.starts_with(k_job) || title.size() == k_job.size()))
                return bad_value(where, "a section such as [job.build] or [defaults]",
                                 "\"" + each.text.substr(0, 60) + "\"");
            if (std::find(titles.begin(), titles.end(), title) != titles.end())
                return bad_value(where, "each section once", "[" + title + "] again");
            titles.push_back(title);
            keys.clear();
            open.emplace();
            continue;
        }
        const auto equals = each.text.find('=');
        if (equals == std::string::npos || !equals)
            return bad_value(where, "[job.NAME] or key = value", "\"" + each.text.substr(0, 60) + "\"");
        if (!open)
            return bad_value(where, "a section such as [job.build] first", "\"" + each.text.substr(0, 60) + "\"");
        const std::string key(stripped(std::string_view(each.text).substr(0, equals)));
        if (std::find(keys.begin(), keys.end(), key) != keys.end())
            return bad_value(where, "each key once in a section", key + " again");
        keys.push_back(key);
        if (key.starts_with("group")) open->group_line = each.number;
        SIGRUN_CHECK_OK(open->set(key, stripped(std::string_view(each.text).substr(equals + 1)), where));
    }
    SIGRUN_CHECK_OK(close());
    if (jobs.empty()) return bad_value(name, "at least one section [job.NAME], or a JSON document", "none");
    out["jobs"] = std::move(jobs);
    return out;
}

}  // namespace sigrun::cli

#include "rustci/job_document.hpp"

#include "wire/text.hpp"

#include <boost/json.hpp>

#include <array>

namespace sigrun::http::rustci {
namespace {
namespace json = boost::json;

std::string_view text_of(const json::object& o, std::string_view key) {
    const auto* v = o.if_contains(key);
    return v && v->is_string() ? std::string_view(v->get_string()) : std::string_view();
}

bool has_nul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

bool read_words(const json::value& value, std::vector<std::string>& out, std::string& why) {
    const auto* words = value.if_array();
    if (!words || words->empty()) {
        why = "command: expected a list of at least one text";
        return false;
    }
    for (const auto& w : *words) {
        if (!w.is_string() || has_nul(std::string_view(w.get_string()))) {
            why = "command: expected texts without NUL bytes";
            return false;
        }
        out.emplace_back(w.get_string());
    }
    return true;
}

bool read_pairs(const json::object& o, std::string_view key, std::vector<std::pair<std::string, std::string>>& out,
                std::string& why) {
    const auto* v = o.if_contains(key);
    const auto* pairs = v ? v->if_object() : nullptr;
    if (!pairs) return true;
    for (const auto& [name, value] : *pairs) {
        const std::string_view n(name.data(), name.size());
        if (!value.is_string() || has_nul(n) || has_nul(std::string_view(value.get_string()))) {
            why = std::string(key) + ": expected texts without NUL bytes";
            return false;
        }
        out.emplace_back(n, value.get_string());
    }
    return true;
}

bool read_steps(const json::object& o, job_document& out, std::string& why) {
    const auto* command = o.if_contains("command");
    if (command && !(command->is_array() && command->get_array().empty()) && !command->is_null()) {
        step s;
        if (!read_words(*command, s.argv, why)) return false;
        s.name = s.argv.front();
        out.steps.push_back(std::move(s));
        return true;
    }
    const auto* list = o.if_contains("steps");
    const auto* steps = list ? list->if_array() : nullptr;
    if (!steps || steps->empty()) {
        why = "command: expected a command or steps, found none";
        return false;
    }
    out.single = false;
    for (const auto& item : *steps) {
        step s;
        const auto* o_step = item.if_object();
        const auto* words = o_step ? o_step->if_contains("command") : &item;
        if (!words || !read_words(*words, s.argv, why)) {
            if (why.empty()) why = "steps: expected a command in each step";
            return false;
        }
        s.name = o_step ? std::string(text_of(*o_step, "name")) : std::string();
        if (s.name.empty()) s.name = s.argv.front();
        out.steps.push_back(std::move(s));
    }
    return true;
}

}  // namespace

std::optional<job_document> read_job(std::string_view text, std::string& why) {
    boost::system::error_code ec;
    const auto value = json::parse(text, ec);
    const auto* o = ec ? nullptr : value.if_object();
    if (!o) {
        why = "job: expected a JSON object";
        return std::nullopt;
    }
    const auto kind = text_of(*o, "kind");
    if (!kind.empty() && kind != "process") {
        why = "kind: profile rustci runs jobs of kind process only, found " + std::string(kind);
        return std::nullopt;
    }
    if (o->contains("secrets")) {
        why = "secrets: profile rustci cannot keep them out of the output";
        return std::nullopt;
    }
    if (o->contains("artifacts")) {
        why = "artifacts: profile rustci has no way to fetch files";
        return std::nullopt;
    }
    job_document out;
    if (!read_steps(*o, out, why) || !read_pairs(*o, "env", out.env, why) || !read_pairs(*o, "labels", out.labels, why))
        return std::nullopt;
    for (const auto& [name, unused] : out.env)
        if (name.empty() || name.find('=') != std::string::npos) {
            why = "env: expected names that are not empty and hold no =";
            return std::nullopt;
        }
    out.workdir = text_of(*o, "workdir");
    if (has_nul(out.workdir)) {
        why = "workdir: expected text without NUL bytes";
        return std::nullopt;
    }
    constexpr std::array<std::string_view, 5> bands{"critical", "high", "normal", "low", "background"};
    for (std::size_t i = 0; i < bands.size(); ++i)
        if (text_of(*o, "priority") == bands[i]) out.priority = static_cast<int>(i);
    if (const auto* limits = o->if_contains("timeouts"); limits && limits->is_object())
        if (const auto run = parse_duration(text_of(limits->get_object(), "run")); run && run->count() > 0)
            out.run_timeout_s = static_cast<std::uint64_t>((run->count() + 999'999'999) / 1'000'000'000);
    return out;
}

}  // namespace sigrun::http::rustci

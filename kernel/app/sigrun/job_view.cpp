#include "kernel/app/sigrun/job_view.hpp"

#include "kernel/app/sigrun/job_document.hpp"
#include "kernel/app/sigrun/units.hpp"
#include "kernel/base/quantity.hpp"
#include "kernel/base/rfc3339.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>
#include <cstdio>

namespace sigrun::cli {
namespace {

std::string quoted(std::string_view word) {
    constexpr std::string_view k_plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=@%+,";
    if (!word.empty() && word.find_first_not_of(k_plain) == std::string_view::npos) return std::string(word);
    std::string out = "'";
    for (char c : word) {
        if (c == '\'')
            out += "'\\''";
        else
            out += c;
    }
    return out + "'";
}

std::string name_of(const json::object& o, std::string_view member) {
    const json::object* who = object_or_null(o, member);
    return who ? std::string(text_or(*who, "name", text_or(*who, "id"))) : std::string();
}

std::string exit_text(const json::object& o) {
    if (int signal = number_or<int>(o, "signal", 0)) return "signal " + std::to_string(signal);
    const json::value* code = o.if_contains("exit_code");
    return code && code->is_number() ? std::to_string(number_or<int>(o, "exit_code", 0)) : std::string();
}

std::string failure_text(const json::object& o) {
    const json::object* f = object_or_null(o, "failure");
    if (!f) return {};
    std::string out(text_or(*f, "class"));
    if (auto code = text_or(*f, "code"); !code.empty()) out += "/" + std::string(code);
    if (auto message = text_or(*f, "message"); !message.empty()) out += ": " + std::string(message);
    return out;
}

/// "2.1 s" from two RFC 3339 texts; up to now while the second is missing.
std::string duration_text(std::string_view from, std::string_view to, std::int64_t now_ns) {
    auto begin = parse_rfc3339(from);
    if (!begin) return {};
    auto end = parse_rfc3339(to);
    return span_of_time(std::max<std::int64_t>(0, end.value_or(now_ns) - *begin));
}

std::string pairs_text(const json::object& o, std::string_view member) {
    const json::object* members = object_or_null(o, member);
    return members ? fact_text({}, *members) : std::string();
}

// "wall 8 ms, user 2 ms, system 1 ms, largest process 1.6 MiB"; what another executor counts comes by its own names.
std::string usage_text(const json::object& job) {
    static constexpr std::pair<std::string_view, std::string_view> names[] = {
        {"wall_ms", "wall"},
        {"user_ms", "user"},
        {"system_ms", "system"},
        {"max_rss_bytes", "largest process"},
        {"memory_peak_bytes", "peak memory"},
        {"oom_kills", "killed for lack of memory"},
        {"pids_peak", "most processes"},
        {"workspace_peak_bytes", "workspace"}};
    const json::object* usage = object_or_null(job, "usage");
    std::string out;
    if (!usage) return out;
    for (const auto& [key, value] : *usage) {
        std::string_view name = key;
        for (const auto& [member, word] : names)
            if (name == member) name = word;
        std::string shown = value.is_number() && std::string_view(key).ends_with("_ms") ? json::serialize(value) + " ms"
                                                                                        : fact_text(key, value);
        out += sdk::concat(out.empty() ? "" : ", ", name, " ", shown);
    }
    return out;
}

// "memory 512 MiB (cgroup_v2), cpus 2 (not held: why)", of an attempt.
std::string limits_text(const json::object& attempt) {
    const json::object* limits = object_or_null(attempt, "limits");
    std::string out;
    if (!limits) return out;
    for (const auto& [key, value] : *limits) {
        const auto* one = value.if_object();
        const auto* number = one ? one->if_contains("limit") : nullptr;
        if (!number) continue;
        const std::string name(key);
        const bool bytes = name != "cpus" && name != "pids" && name != "open_files";
        const auto by = text_or(*one, "by"), why = text_or(*one, "why");
        out += sdk::concat(out.empty() ? "" : ", ", name, " ", fact_text(bytes ? name + "_bytes" : name, *number), " (",
                           by == "none" ? "not held" : by, why.empty() ? "" : ": ", why, ")");
    }
    return out;
}

// "network none (network_namespace), files read_only (not held: why)", of an attempt.
std::string isolation_text(const json::object& attempt) {
    const json::object* held = object_or_null(attempt, "isolation");
    std::string out;
    if (!held) return out;
    for (const auto& [key, value] : *held) {
        const auto* one = value.if_object();
        if (!one) continue;
        const auto by = text_or(*one, "by"), why = text_or(*one, "why");
        out += sdk::concat(out.empty() ? "" : ", ", std::string_view(key), " ", text_or(*one, "value"), " (",
                           by == "none" ? "not held" : by, why.empty() ? "" : ": ", why, ")");
    }
    return out;
}

/// Who signed the job, and what its runner says of that.
cell signature_cell(const json::object& job, const json::object* attempt) {
    const json::object* by = object_or_null(job, "signature");
    const json::object* checked = attempt ? object_or_null(*attempt, "signature") : nullptr;
    if (!by && !checked) return {};
    std::string out =
        by ? sdk::concat("by key ", text_or(*by, "key"), ", good until ", text_or(*by, "expires")) : "none";
    if (!checked) return {out + (attempt ? "; its runner did not ask for it" : ""), style::plain};
    if (bool_or(*checked, "verified", false))
        return {sdk::concat(out, "; verified by the runner (", text_or(*checked, "by"), ")"), style::good};
    return {sdk::concat(out, "; not verified by the runner: ", text_or(*checked, "problem")), style::caution};
}

/// Of each step of the newest attempt, if it has several: its end and how long it took.
std::string step_lines(const json::array& attempts) {
    const json::object* last = attempts.empty() ? nullptr : attempts.back().if_object();
    const json::array* steps = last ? array_or_null(*last, "steps") : nullptr;
    if (!steps) return {};
    std::string out;
    std::size_t number = 0;
    for (const auto& item : *steps) {
        const json::object* one = item.if_object();
        if (!one) continue;
        const auto name = text_or(*one, "name"), state = text_or(*one, "state");
        out += sdk::concat("  ", ++number, name.empty() ? "" : " ", name, ": ", state);
        if (const auto code = number_or<int>(*one, "exit_code", 0)) out += sdk::concat(" (exit code ", code, ")");
        if (const auto signal = number_or<int>(*one, "signal", 0)) out += sdk::concat(" (signal ", signal, ")");
        if (one->contains("wall_ms"))
            out += " in " + format_duration(std::chrono::milliseconds(number_or<std::int64_t>(*one, "wall_ms", 0)));
        out += "\n";
    }
    return out;
}

/// What each attempt used, where there were several; of one it is said above.
std::string usage_lines(const json::array& attempts) {
    std::string out;
    for (const auto& item : attempts) {
        const json::object* a = item.if_object();
        if (!a || attempts.size() < 2) continue;
        if (const auto used = usage_text(*a); !used.empty())
            out += sdk::concat("  attempt ", number_or<int>(*a, "number", 0), " used ", used, "\n");
    }
    return out;
}

// "build (succeeded), fetch (open)"
std::string needs_text(const json::object& job) {
    std::string out;
    if (const auto* needs = array_or_null(job, "needs"))
        for (const auto& item : *needs)
            if (const auto* each = item.if_object())
                out += sdk::concat(out.empty() ? "" : ", ", text_or(*each, "name"), " (", text_or(*each, "ended"), ")");
    return out;
}

// "deploy, 1 at once"
std::string group_text(const json::object& job) {
    const auto* group = object_or_null(job, "group");
    if (!group) return {};
    std::string out = sdk::concat(text_or(*group, "name"), ", ", number_or<int>(*group, "max", 1), " at once");
    if (const auto policy = text_or(*group, "policy"); policy != "queue") out += sdk::concat(", ", policy);
    return out;
}

cell state_cell(const json::object& o) {
    const auto state = text_or(o, "state");
    return {state, style_of_state(state)};
}

/// Attempts that changed their protocol on the way: "attempt 1: valkyrie, then http (valkyrie was lost: ...)".
std::string rung_lines(const json::array& attempts) {
    std::string out;
    for (const auto& item : attempts) {
        const json::object* a = item.if_object();
        const json::array* steps = a ? array_or_null(*a, "rungs") : nullptr;
        if (!steps || steps->size() < 2) continue;
        out += "  attempt " + std::to_string(number_or<int>(*a, "number", 0)) + " went over ";
        for (std::size_t i = 0; i < steps->size(); ++i) {
            const json::object* step = (*steps)[i].if_object();
            if (!step) continue;
            if (i) out += ", then ";
            out += std::string(text_or(*step, "protocol"));
            if (i) out += " (" + std::string(text_or(*step, "reason")) + ")";
        }
        out += "\n";
    }
    return out;
}

/// Each on a line of its own.
std::string sentences(const json::array& told) {
    std::string out;
    for (const auto& one : told)
        if (one.is_string()) out += sdk::concat("  ", std::string_view(one.get_string()), "\n");
    return out;
}

std::string candidates_table(const json::object& answer, const terminal& where) {
    const json::array* candidates = array_or_null(answer, "candidates_now");
    table t({{"runner", 0, 8},
             {"jobs", column::k_right | column::k_whole},
             {"cost", column::k_right | column::k_whole},
             {"tier", 0, 12}});
    for (std::size_t i = 0; candidates && i < candidates->size(); ++i) {
        const json::object* one = (*candidates)[i].if_object();
        if (!one) continue;
        char cost[32];
        std::snprintf(cost, sizeof cost, "%.2f", number_or<double>(*one, "relative_cost", 1));
        t.add({text_or(*one, "runner"),
               sdk::concat(number_or<std::uint64_t>(*one, "in_flight", 0), "/",
                           number_or<std::uint64_t>(*one, "places", 0)),
               std::string(cost), text_or(*one, "tier_text")});
    }
    if (t.empty()) return {};
    return where.paint("who could be chosen now, the likeliest first", style::strong) + "\n" + t.render(where, "  ");
}

/// What the picks saw of which that was kept.
std::string traces(const json::object& answer, const terminal& where) {
    std::string out;
    const json::array* attempts = array_or_null(answer, "attempts");
    for (std::size_t i = 0; attempts && i < attempts->size(); ++i) {
        const json::object* a = (*attempts)[i].if_object();
        const json::object* trace = a ? object_or_null(*a, "trace") : nullptr;
        const json::array* candidates = trace ? array_or_null(*trace, "candidates") : nullptr;
        if (!candidates) continue;
        table t({{"runner", 0, 8},
                 {"jobs", column::k_right | column::k_whole},
                 {"tier", column::k_right | column::k_whole},
                 {"score", column::k_right | column::k_whole},
                 {"time", column::k_right | column::k_whole},
                 {"success", column::k_right | column::k_whole},
                 {"", column::k_whole}});
        for (const auto& item : *candidates) {
            const json::object* one = item.if_object();
            if (!one) continue;
            char time[32], success[32];
            std::snprintf(time, sizeof time, "%.2f", number_or<double>(*one, "relative_time", 1));
            std::snprintf(success, sizeof success, "%.0f %%", 100 * number_or<double>(*one, "success", 1));
            const int tier = number_or<int>(*one, "tier", -1);
            t.add({text_or(*one, "runner"),
                   sdk::concat(number_or<std::uint64_t>(*one, "in_flight", 0), "/",
                               number_or<std::uint64_t>(*one, "places", 0)),
                   tier < 0 ? std::string("-") : std::to_string(tier),
                   std::to_string(number_or<std::uint64_t>(*one, "score", 0)), std::string(time), std::string(success),
                   bool_or(*one, "picked", false) ? "picked" : ""});
        }
        const auto title = sdk::concat("what attempt ", number_or<int>(*a, "number", 0), " was chosen from, of ",
                                       number_or<std::uint64_t>(*trace, "looked_at", 0), " runners looked at");
        out += where.paint(title, style::strong) + "\n" + t.render(where, "  ");
    }
    return out;
}

std::string attempts_table(const json::array& attempts, const terminal& where, std::int64_t now_ns) {
    table t({{"#", column::k_right | column::k_whole},
             {"state", column::k_whole},
             {"runner", 0, 8},
             {"protocol", 0, 6},
             {"exit", column::k_whole},
             {"took", column::k_whole},
             {"why", 0, 16}});
    for (const auto& item : attempts) {
        const json::object* a = item.if_object();
        if (!a) continue;
        std::string why = failure_text(*a);
        if (why.empty()) why = text_or(*a, "reason");
        t.add({std::to_string(number_or<int>(*a, "number", 0)), state_cell(*a), name_of(*a, "runner"),
               text_or(*a, "protocol"), exit_text(*a),
               duration_text(text_or(*a, "started_at"), text_or(*a, "finished_at"), now_ns), why});
    }
    return t.empty() ? std::string() : t.render(where, "  ");
}

}  // namespace

std::string short_id(std::string_view uuid) { return std::string(uuid.size() == 36 ? uuid.substr(24) : uuid); }

std::string command_text(const json::object& job) {
    std::string out;
    if (const json::array* words = array_or_null(job, "command"))
        for (const auto& word : *words) {
            if (!out.empty()) out += ' ';
            if (word.is_string()) out += quoted(word.get_string());
        }
    return out;
}

std::string job_table(const json::array& jobs, const terminal& where, std::int64_t now_ns) {
    table t({{"id", column::k_whole},
             {"state", column::k_whole},
             {"exit", column::k_whole},
             {"runner", 0, 8},
             {"protocol", column::k_optional, 8},
             {"age", column::k_right | column::k_whole},
             {"took", column::k_right | column::k_whole | column::k_optional},
             {"command", 0, 10}});
    for (const auto& item : jobs) {
        const json::object* job = item.if_object();
        if (!job) continue;
        t.add({short_id(text_or(*job, "id")), state_cell(*job), exit_text(*job), name_of(*job, "runner"),
               text_or(*job, "protocol"), age_of(text_or(*job, "submitted_at"), now_ns),
               duration_text(text_or(*job, "started_at"), text_or(*job, "finished_at"), now_ns), command_text(*job)});
    }
    return t.empty() ? "no jobs\n" : t.render(where);
}

std::string job_details(const json::object& job, const terminal& where, std::int64_t now_ns) {
    fields f;
    f.add("id", text_or(job, "id"));
    f.add("state", state_cell(job));
    f.add("command", command_text(job));
    if (auto kind = text_or(job, "kind"); kind != "process") f.add("kind", kind);
    f.add("exit", exit_text(job));
    f.add("failure", {failure_text(job), style::bad});
    f.add("runner", name_of(job, "runner"));
    f.add("protocol", text_or(job, "protocol"));
    f.add("balancer", text_or(job, "balancer"));
    f.add("reason", text_or(job, "reason"));
    f.add("requires", text_or(job, "requires"));
    f.add("labels", pairs_text(job, "labels"));
    f.add("priority", text_or(job, "priority"));
    f.add("queue", text_or(job, "queue"));
    f.add("name", text_or(job, "name"));
    f.add("needs", needs_text(job));
    f.add("group", group_text(job));
    f.add("durability", text_or(job, "durability"));
    auto moment = [&](const char* name, const char* member) {
        const auto text = text_or(job, member);
        const std::string ago = age_of(text, now_ns);
        if (!ago.empty()) f.add(name, std::string(text) + (ago == "now" ? " (now)" : " (" + ago + " ago)"));
    };
    moment("submitted", "submitted_at");
    f.add("not before", text_or(job, "start_at"));
    f.add("again", text_or(job, "retry_of"));
    moment("started", "started_at");
    moment("finished", "finished_at");
    f.add("took", duration_text(text_or(job, "started_at"), text_or(job, "finished_at"), now_ns));
    if (auto bytes = number_or<std::uint64_t>(job, "log_bytes", 0)) f.add("output", format_size(bytes));
    if (auto missing = number_or<std::uint64_t>(job, "log_missing_bytes", 0))
        f.add("output missing", {format_size(missing) + " of it are not kept", style::caution});
    f.add("usage", usage_text(job));
    if (const auto* all = array_or_null(job, "attempts"); all && !all->empty())
        if (const auto* last = all->back().if_object()) {
            f.add("limits", limits_text(*last));
            f.add("isolation", isolation_text(*last));
        }
    {
        const auto* all = array_or_null(job, "attempts");
        f.add("signature", signature_cell(job, all && !all->empty() ? all->back().if_object() : nullptr));
    }
    if (const json::value* answer = job.if_contains("result"); answer && !answer->is_null())
        f.add("result", bytes_of(*answer));
    if (const json::object* outputs = object_or_null(job, "outputs"))
        for (const auto& [key, value] : *outputs)
            if (value.is_string()) f.add("output " + std::string(key), std::string(value.get_string()));
    if (const json::array* told = array_or_null(job, "output_warnings"))
        for (const auto& each : *told)
            if (each.is_string()) f.add("output file", {std::string(each.get_string()), style::caution});
    if (const json::array* artifacts = array_or_null(job, "artifacts"))
        for (const auto& each : *artifacts)
            if (const json::object* a = each.if_object())
                f.add("artifact", std::string(text_or(*a, "name")) + " (" +
                                      format_size(number_or<std::uint64_t>(*a, "size", 0)) + ")");
    if (const json::array* told = array_or_null(job, "artifact_warnings"))
        for (const auto& each : *told)
            if (each.is_string()) f.add("not kept", {std::string(each.get_string()), style::caution});
    if (text_or(job, "runner_state") == "unknown")
        f.add("on the runner", {"unknown: the runner may still be working on it", style::caution});
    std::string out = f.render(where);
    const json::array* attempts = array_or_null(job, "attempts");
    if (attempts && !attempts->empty())
        if (const auto steps = step_lines(*attempts); !steps.empty())
            out += where.paint("steps", style::strong) + "\n" + steps;
    if (attempts && !attempts->empty())
        out += where.paint("attempts", style::strong) + "\n" + attempts_table(*attempts, where, now_ns) +
               rung_lines(*attempts) + usage_lines(*attempts);
    return out;
}

std::string explanation(const json::object& answer, const terminal& where) {
    fields f;
    f.add("job", text_or(answer, "id"));
    f.add("state", state_cell(answer));
    const json::array* told = array_or_null(answer, "answer");
    if (!told || told->empty()) f.add("reason", text_or(answer, "reason"));
    auto count = [&](std::string_view member) { return number_or<std::uint64_t>(answer, member, 0); };
    std::string runners = std::to_string(count("matching")) + " of " + std::to_string(count("runners")) + " match";
    if (count("unknown")) runners += ", " + std::to_string(count("unknown")) + " may, but a fact is unknown there";
    if (count("busy")) runners += ", " + std::to_string(count("busy")) + " without a free place";
    runners += ", " + std::to_string(count("open")) + " online";
    f.add("runners", runners);
    f.add("requires", text_or(answer, "requires"));
    std::string out = f.render(where);
    if (told) out += sentences(*told);
    out += candidates_table(answer, where) + traces(answer, where);
    const json::array* terms = array_or_null(answer, "terms");
    if (!terms || terms->empty()) return out;
    table t({{"required", 0, 20},
             {"false on", column::k_right | column::k_whole},
             {"unknown on", column::k_right | column::k_whole},
             {"closest", 0, 12},
             {"nearest key", 0, 12}});
    for (const auto& item : *terms) {
        const json::object* term = item.if_object();
        if (!term) continue;
        const auto no = number_or<std::uint64_t>(*term, "false", 0),
                   unknown = number_or<std::uint64_t>(*term, "unknown", 0);
        const auto* closest = object_or_null(*term, "closest");
        t.add(
            {cell(text_or(*term, "text")), cell(std::to_string(no), no ? style::bad : style::good),
             cell(std::to_string(unknown), unknown ? style::caution : style::good),
             cell(closest ? std::string(text_or(*closest, "value")) + " on " + std::string(text_or(*closest, "runner"))
                          : std::string()),
             cell(text_or(*term, "nearest_key"))});
    }
    return out + t.render(where, "  ");
}

}  // namespace sigrun::cli

#include "outcome.hpp"

#include <sigrun/base.h>
#include <sigrun/cpp/redactor.hpp>
#include <sigrun/cpp/text.hpp>

#include <boost/json.hpp>

#include <signal.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>

namespace sigrun::process {
namespace {
namespace json = boost::json;

constexpr int k_not_found = 127;
constexpr int k_not_executable = 126;

std::string step_label(std::size_t index, const std::vector<step>& steps) {
    if (steps.size() < 2 && (steps.empty() || steps[0].name.empty())) return "the command";
    auto label = sdk::concat("step ", index + 1, " of ", steps.size());
    if (index < steps.size() && !steps[index].name.empty()) label += " (" + steps[index].name + ")";
    return label;
}

// Less is no room for anything that a program writes.
constexpr std::uint64_t k_full_disk = 64 * 1024;

json::object usage_of(const evidence& what) {
    const auto& e = *what.exited;
    json::object usage{{"wall_ms", e.wall_ns / 1'000'000u},
                       {"user_ms", e.user_ns / 1'000'000u},
                       {"system_ms", e.system_ns / 1'000'000u},
                       {"max_rss_bytes", e.max_rss_bytes}};
    if (!what.measured) return usage;
    const auto& m = *what.measured;
    if (m.memory_peak) usage["memory_peak_bytes"] = m.memory_peak;
    if (m.oom_kills) usage["oom_kills"] = m.oom_kills;
    if (m.pids_peak) usage["pids_peak"] = m.pids_peak;
    if (m.workspace_peak) usage["workspace_peak_bytes"] = m.workspace_peak;
    return usage;
}

const held_limit* limit_named(const evidence& what, std::string_view name) {
    for (const auto& one : what.limits)
        if (one.name == name) return &one;
    return nullptr;
}

bool held_by_rlimit(const evidence& what, std::string_view name) {
    const auto* limit = limit_named(what, name);
    return limit && limit->by == holder::rlimit;
}

std::string how_it_ended(const sigrun_shim_exited& e, const std::vector<step>& steps) {
    if (e.signal > 0)
        return sdk::concat(step_label(e.step, steps), " was killed by signal ", e.signal, " (", ::strsignal(e.signal),
                           ")");
    return sdk::concat(step_label(e.step, steps), " exited with code ", e.exit_code);
}

struct failure {
    std::int32_t result;
    std::string_view failure_class, code;
    std::string message;
    std::optional<int> exit_code{};
};

void put_held(json::object& o, const evidence& what) {
    if (auto text = to_json(what.limits); !text.empty()) o["limits"] = json::parse(text);
    if (auto text = to_json(what.setting); !text.empty()) o["isolation"] = json::parse(text);
}

outcome as_outcome(const failure& f, const evidence& what) {
    const auto& exited = what.exited;
    json::object o{{"class", f.failure_class},
                   {"code", f.code},
                   {"message", f.message},
                   {"exit_code", nullptr},
                   {"signal", nullptr}};
    if (exited) {
        if (exited->exit_code >= 0) o["exit_code"] = exited->exit_code;
        if (exited->signal > 0) o["signal"] = exited->signal;
        o["usage"] = usage_of(what);
    }
    if (f.exit_code) o["exit_code"] = *f.exit_code;
    put_held(o, what);
    return {f.result, json::serialize(o)};
}

// What ran out, if the kernel or the shim has counted that; nothing is concluded from a code or a signal alone.
std::optional<failure> what_ran_out(const evidence& what, const std::vector<step>& steps) {
    if (!what.measured) return std::nullopt;
    const auto& e = *what.exited;
    const auto& m = *what.measured;
    const auto* workspace = limit_named(what, "workspace");
    if (workspace && m.workspace_peak > workspace->value)
        return failure{SIGRUN_E_IO, "resource", "disk",
                       sdk::concat("the files in the job's workspace took ", size_text(m.workspace_peak),
                                   ", limits.workspace is ", size_text(workspace->value))};
    if (e.ladder == SIGRUN_SHIM_WORKSPACE)  // and an end to it came while the last look was taken
        return failure{SIGRUN_E_IO, "resource", "disk", "the files in the job's workspace took more than its limit"};
    if (m.oom_kills > 0) {
        const auto* memory = limit_named(what, "memory");
        return failure{SIGRUN_E_NOMEM, "resource", "oom",
                       sdk::concat(how_it_ended(e, steps), ": the kernel killed ", m.oom_kills,
                                   m.oom_kills == 1 ? " process" : " processes",
                                   " of the job for lack of memory; peak ", size_text(m.memory_peak),
                                   memory ? sdk::concat(", limits.memory is ", size_text(memory->value)) : "")};
    }
    if (m.pids_refused > 0) {
        const auto* pids = limit_named(what, "pids");
        return failure{SIGRUN_E_IO, "resource", "pids",
                       sdk::concat(how_it_ended(e, steps), ": it was refused ", m.pids_refused,
                                   m.pids_refused == 1 ? " process" : " processes", "; peak ", m.pids_peak,
                                   pids ? sdk::concat(", limits.pids is ", pids->value) : "")};
    }
    if (const auto* size = limit_named(what, "file_size"); size && e.signal == SIGXFSZ)
        return failure{SIGRUN_E_IO, "resource", "file_size",
                       sdk::concat(how_it_ended(e, steps), ": limits.file_size is ", size_text(size->value))};
    if (m.disk_free < k_full_disk || m.inodes_free == 0)
        return failure{SIGRUN_E_IO, "resource", "disk",
                       sdk::concat(how_it_ended(e, steps), ", and the disk it worked on is full: ",
                                   size_text(m.disk_free), " free", m.inodes_free == 0 ? ", no inode" : "")};
    return std::nullopt;
}

// Of a failure whose cause is not known: what is.
std::string message_of(const evidence& what, const std::vector<step>& steps) {
    const auto& e = *what.exited;
    auto text = how_it_ended(e, steps);
    if (e.signal == SIGKILL) text += ", which Sigrun did not send";
    if (const auto* memory = limit_named(what, "memory"); memory && held_by_rlimit(what, "memory"))
        text += sdk::concat("; limits.memory is ", size_text(memory->value),
                            " of address space for each process, and its largest process used ",
                            size_text(e.max_rss_bytes), " of memory");
    return text;
}

// Nothing has run yet, so another runner can have it.
std::optional<failure> why_not_set(const sigrun_shim_exited& r, const std::vector<step>& steps) {
    static constexpr std::pair<std::uint32_t, std::string_view> k_parts[] = {
        {SIGRUN_SHIM_STAGE_NAMESPACE, "its name spaces could not be made or joined"},
        {SIGRUN_SHIM_STAGE_USER, "it could not be given its user"},
        {SIGRUN_SHIM_STAGE_FILES, "Landlock could not make its files read-only"},
        {SIGRUN_SHIM_STAGE_FILTER, "its filter of system calls could not be put on it"},
        {SIGRUN_SHIM_STAGE_PRIVILEGES, "its privileges could not be fixed"},
        {SIGRUN_SHIM_STAGE_PTY, "it could not get a terminal"}};
    for (const auto& [stage, what] : k_parts) {
        if (r.refused_stage != stage) continue;
        auto message =
            sdk::concat(step_label(r.step, steps), " was not started: ", what, ": ", std::strerror(r.refused_error));
        if (r.step > 0) return failure{SIGRUN_E_IO, "infra_runner", "spawn", std::move(message)};
        return failure{SIGRUN_E_UNSUPPORTED, "refused", "isolation", std::move(message)};
    }
    return std::nullopt;
}

failure why_refused(const evidence& what, const std::vector<step>& steps) {
    const auto& r = *what.exited;
    if (auto why = why_not_set(r, steps)) return *why;
    std::string program = r.step < steps.size() ? steps[r.step].argv[0] : std::string();
    std::string reason = std::strerror(r.refused_error);
    if (r.refused_stage == SIGRUN_SHIM_STAGE_WORKDIR)
        return {SIGRUN_E_INVALID, "user", "workdir", sdk::concat("the working directory cannot be used: ", reason)};
    if (r.refused_stage == SIGRUN_SHIM_STAGE_LIMITS)
        return {
            SIGRUN_E_IO, "infra_runner", "spawn",
            sdk::concat(step_label(r.step, steps), " was not started, as its limits could not be put on it: ", reason)};
    if (r.refused_stage == SIGRUN_SHIM_STAGE_EXEC && r.refused_error == ENOMEM && held_by_rlimit(what, "memory"))
        return {SIGRUN_E_NOMEM, "resource", "oom",
                sdk::concat(step_label(r.step, steps), " does not fit into limits.memory, ",
                            size_text(limit_named(what, "memory")->value))};
    if (r.refused_stage != SIGRUN_SHIM_STAGE_EXEC || r.refused_error == ENOMEM || r.refused_error == EAGAIN ||
        r.refused_error == EIO || r.refused_error == ENFILE || r.refused_error == EMFILE)
        return {SIGRUN_E_IO, "infra_runner", "spawn",
                sdk::concat(step_label(r.step, steps), " was not started: ", reason)};
    if (r.refused_error == ENOENT || r.refused_error == ENOTDIR)
        return {SIGRUN_E_NOT_FOUND, "user", "not_found", sdk::concat("command \"", program, "\" not found"),
                k_not_found};
    return {SIGRUN_E_DENIED, "user", "not_executable",
            sdk::concat("command \"", program, "\" cannot be executed: ", reason), k_not_executable};
}

outcome without_an_end(const evidence& what) {
    if (what.left_behind > 0)
        return as_outcome({SIGRUN_E_IO, "infra_runner", "processes_left",
                           sdk::concat("sigrun-shim ended before the job did, and ", what.left_behind,
                                       " processes of the job could not be ended")},
                          what);
    if (what.cancelled)
        return as_outcome({SIGRUN_E_CANCELLED, "cancelled", "cancelled", "cancelled; its shim had to be killed"}, what);
    std::string how;
    if (what.shim_status)
        how = WIFSIGNALED(*what.shim_status) ? sdk::concat(" by signal ", WTERMSIG(*what.shim_status))
                                             : sdk::concat(" with code ", WEXITSTATUS(*what.shim_status));
    return as_outcome(
        {SIGRUN_E_IO, "infra_runner", "shim_crash", sdk::concat("sigrun-shim ended", how, " before the job did")},
        what);
}

}  // namespace

outcome failed_early(std::int32_t result, std::string_view failure_class, std::string_view code,
                     std::string_view message, std::optional<int> exit_code) {
    return as_outcome({result, failure_class, code, std::string(message), exit_code}, evidence{});
}

outcome conclude(const evidence& what, const std::vector<step>& steps) {
    if (!what.exited) return without_an_end(what);
    const auto& e = *what.exited;
    if (e.survivors > 0)
        return as_outcome({SIGRUN_E_IO, "infra_runner", "processes_left",
                           sdk::concat(e.survivors, " processes of the job could not be ended")},
                          what);
    if (e.ladder == SIGRUN_SHIM_TIMEOUT)
        return as_outcome({SIGRUN_E_TIMEOUT, "user_timeout", "run",
                           sdk::concat(step_label(e.step, steps), " ran longer than its run timeout")},
                          what);
    if (e.ladder == SIGRUN_SHIM_CANCELLED)
        return as_outcome({SIGRUN_E_CANCELLED, "cancelled", "cancelled", "cancelled while it ran"}, what);
    if (e.ladder == SIGRUN_SHIM_ORPHANED)
        return as_outcome({SIGRUN_E_IO, "infra_runner", "orphaned",
                           "the runner was away for longer than orphan_grace, and the job was ended"},
                          what);
    if (e.refused_stage) return as_outcome(why_refused(what, steps), what);
    const bool excused = e.ladder == 0 && e.step < steps.size() && steps[e.step].may_fail;
    const bool failed = !excused && (e.signal > 0 || e.exit_code != 0 || e.ladder != 0);
    if (failed)
        if (auto why = what_ran_out(what, steps)) return as_outcome(*why, what);

    json::object o{{"exit_code", nullptr}, {"signal", nullptr}, {"usage", usage_of(what)}};
    put_held(o, what);
    if (excused)
        o["exit_code"] = 0;
    else if (e.signal > 0)
        o["signal"] = e.signal;
    else
        o["exit_code"] = e.exit_code;
    if (failed) o["message"] = message_of(what, steps);
    return {SIGRUN_OK, json::serialize(o)};
}

namespace {

void redact_texts(json::value& v, const sdk::secret_patterns& what) {
    if (v.is_string()) {
        v = sdk::redact(what, v.get_string());
    } else if (auto* list = v.if_array()) {
        for (auto& each : *list) redact_texts(each, what);
    } else if (auto* o = v.if_object()) {
        for (auto& member : *o) redact_texts(member.value(), what);
    }
}

}  // namespace

outcome without_secrets(outcome how, const std::vector<std::string>& secrets) {
    if (secrets.empty()) return how;
    const sdk::secret_patterns what(secrets);
    auto all = json::parse(how.json);
    redact_texts(all, what);
    // A key of an output is a secret as well as its value may be one.
    if (auto* outputs = all.as_object().if_contains("outputs")) {
        json::object clean;
        for (const auto& [key, value] : outputs->as_object()) clean[sdk::redact(what, key)] = value;
        *outputs = std::move(clean);
    }
    how.json = json::serialize(all);
    return how;
}

outcome with_outputs(outcome how, const job_outputs& told) {
    if (told.values.empty() && told.warnings.empty() && !told.too_large) return how;
    auto o = json::parse(how.json).as_object();
    json::array warnings(told.warnings.begin(), told.warnings.end());
    if (told.too_large) {
        auto why = sdk::concat("SIGRUN_OUTPUT: expected at most ", k_most_output, " bytes, found ", told.too_large,
                               "; nothing of it is kept");
        const auto* code = o.if_contains("exit_code");
        if (how.result == SIGRUN_OK && code && *code == 0) {
            how.result = SIGRUN_E_INVALID;
            o["class"] = "user";
            o["code"] = "outputs";
            o["message"] = why;
        } else {
            warnings.emplace_back(why);
        }
    }
    if (!told.values.empty()) {
        json::object values;
        for (const auto& [key, value] : told.values) values[key] = value;
        o["outputs"] = std::move(values);
    }
    if (!warnings.empty()) o["output_warnings"] = std::move(warnings);
    how.json = json::serialize(o);
    return how;
}

}  // namespace sigrun::process

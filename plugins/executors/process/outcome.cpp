#include "outcome.hpp"

#include <sigrun/base.h>
#include <sigrun/cpp/redactor.hpp>
#include <sigrun/cpp/text.hpp>

#include <boost/json.hpp>

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

json::object usage_of(const sigrun_shim_exited& e) {
    return {{"wall_ms", e.wall_ns / 1'000'000u},
            {"user_ms", e.user_ns / 1'000'000u},
            {"system_ms", e.system_ns / 1'000'000u},
            {"max_rss_bytes", e.max_rss_bytes}};
}

struct failure {
    std::int32_t result;
    std::string_view failure_class, code;
    std::string message;
    std::optional<int> exit_code{};
};

outcome as_outcome(const failure& f, const std::optional<sigrun_shim_exited>& exited) {
    json::object o{{"class", f.failure_class},
                   {"code", f.code},
                   {"message", f.message},
                   {"exit_code", nullptr},
                   {"signal", nullptr}};
    if (exited) {
        if (exited->exit_code >= 0) o["exit_code"] = exited->exit_code;
        if (exited->signal > 0) o["signal"] = exited->signal;
        o["usage"] = usage_of(*exited);
    }
    if (f.exit_code) o["exit_code"] = *f.exit_code;
    return {f.result, json::serialize(o)};
}

failure why_refused(const sigrun_shim_exited& r, const std::vector<step>& steps) {
    std::string program = r.step < steps.size() ? steps[r.step].argv[0] : std::string();
    std::string reason = std::strerror(r.refused_error);
    if (r.refused_stage == SIGRUN_SHIM_STAGE_WORKDIR)
        return {SIGRUN_E_INVALID, "user", "workdir", sdk::concat("the working directory cannot be used: ", reason)};
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
                          std::nullopt);
    if (what.cancelled)
        return as_outcome({SIGRUN_E_CANCELLED, "cancelled", "cancelled", "cancelled; its shim had to be killed"},
                          std::nullopt);
    std::string how;
    if (what.shim_status)
        how = WIFSIGNALED(*what.shim_status) ? sdk::concat(" by signal ", WTERMSIG(*what.shim_status))
                                             : sdk::concat(" with code ", WEXITSTATUS(*what.shim_status));
    return as_outcome(
        {SIGRUN_E_IO, "infra_runner", "shim_crash", sdk::concat("sigrun-shim ended", how, " before the job did")},
        std::nullopt);
}

}  // namespace

outcome failed_early(std::int32_t result, std::string_view failure_class, std::string_view code,
                     std::string_view message) {
    return as_outcome({result, failure_class, code, std::string(message)}, std::nullopt);
}

outcome conclude(const evidence& what, const std::vector<step>& steps) {
    if (!what.exited) return without_an_end(what);
    const auto& e = *what.exited;
    if (e.survivors > 0)
        return as_outcome({SIGRUN_E_IO, "infra_runner", "processes_left",
                           sdk::concat(e.survivors, " processes of the job could not be ended")},
                          e);
    if (e.ladder == SIGRUN_SHIM_TIMEOUT)
        return as_outcome({SIGRUN_E_TIMEOUT, "user_timeout", "run",
                           sdk::concat(step_label(e.step, steps), " ran longer than its run timeout")},
                          e);
    if (e.ladder == SIGRUN_SHIM_CANCELLED)
        return as_outcome({SIGRUN_E_CANCELLED, "cancelled", "cancelled", "cancelled while it ran"}, e);
    if (e.ladder == SIGRUN_SHIM_ORPHANED)
        return as_outcome({SIGRUN_E_IO, "infra_runner", "orphaned",
                           "the runner was away for longer than orphan_grace, and the job was ended"},
                          e);
    if (e.refused_stage) return as_outcome(why_refused(e, steps), e);

    json::object o{{"exit_code", nullptr}, {"signal", nullptr}, {"usage", usage_of(e)}};
    if (e.signal > 0) {
        o["signal"] = e.signal;
        o["message"] = sdk::concat(step_label(e.step, steps), " was killed by signal ", e.signal, " (",
                                   ::strsignal(e.signal), ")");
    } else {
        o["exit_code"] = e.exit_code;
        if (e.exit_code != 0) o["message"] = sdk::concat(step_label(e.step, steps), " exited with code ", e.exit_code);
    }
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

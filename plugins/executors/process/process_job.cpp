#include "process_job.hpp"

#include "outputs.hpp"

#include <sigrun/cpp/text.hpp>

#include <boost/json.hpp>

#include <cstdlib>
#include <filesystem>

namespace sigrun::process {
namespace {
namespace json = boost::json;

constexpr std::size_t k_max_steps = 256;
constexpr std::size_t k_max_arguments = 16384;
constexpr std::size_t k_max_variables = 4096;

[[noreturn]] void refuse(const std::string& field, std::string_view expected, std::string_view found) {
    throw job_error{"invalid", sdk::concat(field, ": expected ", expected, ", found ", found)};
}

std::string kind_of(const json::value& v) { return std::string(json::to_string(v.kind())); }

// Text that can be given to a process: without a zero byte.
std::string text_of(const json::value& v, const std::string& field) {
    if (!v.is_string()) refuse(field, "text", kind_of(v));
    std::string text(v.get_string());
    if (text.find('\0') != std::string::npos) refuse(field, "text without a zero byte", "one that has a zero byte");
    return text;
}

std::vector<std::string> argv_of(const json::value& v, const std::string& field) {
    const auto* items = v.if_array();
    if (!items) refuse(field, "an array of texts", kind_of(v));
    if (items->empty()) refuse(field, "at least one text", "an empty array");
    if (items->size() > k_max_arguments)
        refuse(field, sdk::concat("at most ", k_max_arguments, " texts"), sdk::concat(items->size()));
    std::vector<std::string> argv;
    for (const auto& item : *items) argv.push_back(text_of(item, sdk::concat(field, "[", argv.size(), "]")));
    return argv;
}

std::vector<step> steps_of(const json::value& v) {
    const auto* items = v.if_array();
    if (!items) refuse("steps", "an array", kind_of(v));
    if (items->empty()) refuse("steps", "at least one step", "an empty array");
    if (items->size() > k_max_steps)
        refuse("steps", sdk::concat("at most ", k_max_steps, " steps"), sdk::concat(items->size()));
    std::vector<step> steps;
    for (const auto& item : *items) {
        auto field = sdk::concat("steps[", steps.size(), "]");
        if (const auto* o = item.if_object()) {
            const auto* command = o->if_contains("command");
            if (!command) refuse(field + ".command", "an array of texts", "nothing");
            const auto* name = o->if_contains("name");
            const auto* goes_on = o->if_contains("continue_on_error");
            if (goes_on && !goes_on->is_null() && !goes_on->is_bool())
                refuse(field + ".continue_on_error", "true or false", kind_of(*goes_on));
            steps.push_back({name && !name->is_null() ? text_of(*name, field + ".name") : std::string(),
                             argv_of(*command, field + ".command"),
                             goes_on && goes_on->is_bool() && goes_on->get_bool()});
        } else {
            steps.push_back({"", argv_of(item, field), false});
        }
    }
    return steps;
}

std::map<std::string, std::string> variables_of(const json::value& v, const std::string& field) {
    const auto* members = v.if_object();
    if (!members) refuse(field, "an object of texts", kind_of(v));
    if (members->size() > k_max_variables)
        refuse(field, sdk::concat("at most ", k_max_variables, " variables"), sdk::concat(members->size()));
    std::map<std::string, std::string> variables;
    for (const auto& [key, value] : *members) {
        std::string name(key);
        if (name.empty() || name.find('=') != std::string::npos || name.find('\0') != std::string::npos)
            refuse(field, "names without '=' or a zero byte", sdk::concat("\"", name, "\""));
        variables[name] = text_of(value, sdk::concat(field, ".", name));
    }
    return variables;
}

bool present(const json::value* v) { return v && !v->is_null(); }

}  // namespace

process_job read_job(std::string_view document) {
    boost::system::error_code ec;
    json::value parsed = json::parse(document, ec);
    if (ec) refuse("job", "a JSON object", ec.message());
    const auto* o = parsed.if_object();
    if (!o) refuse("job", "a JSON object", kind_of(parsed));

    process_job job;
    const auto* command = o->if_contains("command");
    const auto* steps = o->if_contains("steps");
    // An empty command beside steps is how a document with every field looks.
    bool has_command = present(command) && !(command->is_array() && command->get_array().empty() && present(steps));
    bool has_steps = present(steps) && !(steps->is_array() && steps->get_array().empty() && has_command);
    if (has_command == has_steps) refuse("command", "either a command or steps", has_command ? "both" : "neither");
    if (has_command)
        job.steps.push_back({"", argv_of(*command, "command"), false});
    else
        job.steps = steps_of(*steps);

    if (const auto* env = o->if_contains("env"); present(env)) job.environment = variables_of(*env, "env");
    if (const auto* secrets = o->if_contains("secrets"); present(secrets))
        job.secrets = variables_of(*secrets, "secrets");
    if (const auto* workdir = o->if_contains("workdir"); present(workdir)) job.workdir = text_of(*workdir, "workdir");
    if (const auto* limits = o->if_contains("limits"); present(limits))
        if (auto fault = sdk::read_job_limits(*limits, job.limits))
            refuse(fault->field, fault->unknown ? "a known limit" : fault->expected, fault->found);
    if (auto fault = sdk::read_job_setting(*o, job.setting)) refuse(fault->field, fault->expected, fault->found);
    return job;
}

base_environment base_environment::of_this_process(const std::string& path) {
    auto own = [](const char* name, const char* otherwise) {
        const char* value = std::getenv(name);
        return std::string(value && *value ? value : otherwise);
    };
    return {path.empty() ? own("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin") : path,
            own("HOME", "/"),
            own("LANG", "C.UTF-8"),
            {}};
}

std::vector<std::string> make_environment(const base_environment& base, const process_job& job,
                                          const attempt_names& names, const std::string& workspace) {
    std::map<std::string, std::string> all{
        {"PATH", base.path}, {"HOME", base.home}, {"LANG", base.lang}, {"TMPDIR", workspace}};
    for (const auto& [name, value] : base.more) all[name] = value;
    for (const auto& [name, value] : job.environment) all[name] = value;
    for (const auto& [name, value] : job.secrets) all[name] = value;
    all["SIGRUN_JOB"] = names.job;
    all["SIGRUN_ATTEMPT"] = std::to_string(names.number);
    all["SIGRUN_FENCING_TOKEN"] = names.token;
    all["SIGRUN_OUTPUT"] = output_path(workspace);
    std::vector<std::string> lines;
    lines.reserve(all.size());
    for (const auto& [name, value] : all) lines.push_back(sdk::concat(name, "=", value));
    return lines;
}

std::string make_workdir(const std::string& workdir, const std::string& workspace) {
    namespace fs = std::filesystem;
    fs::path wanted(workdir);
    if (workdir.empty()) return workspace;
    if (wanted.is_absolute()) return workdir;
    fs::path clean = wanted.lexically_normal();
    if (!clean.empty() && *clean.begin() == "..")
        refuse("workdir", "an absolute path or one below the workspace", sdk::concat("\"", workdir, "\""));
    fs::path full = fs::path(workspace) / clean;
    std::error_code ec;
    fs::create_directories(full, ec);
    if (ec) throw job_error{"workdir", sdk::concat("workdir \"", workdir, "\" cannot be made: ", ec.message())};
    return full.string();
}

}  // namespace sigrun::process

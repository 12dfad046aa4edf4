#include "container_plan.hpp"

#include "outputs.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>

namespace sigrun::container {
namespace {

namespace json = boost::json;
using process::job_error;
using process::setting_refused;

sdk::job_container container_of(std::string_view document) {
    sdk::job_container out;
    const auto parsed = json::parse({document.data(), document.size()});  // it was read before
    if (auto fault = sdk::read_job_container(parsed.as_object(), "container", out))
        throw job_error{"invalid", sdk::concat(fault->field, ": expected ", fault->expected, ", found ", fault->found)};
    return out;
}

bool below(const std::string& path, const std::string& folder) {
    return path == folder || path.starts_with(folder + "/");
}

// What an engine cannot be asked for.
void hold_limits(container_plan& plan) {
    for (const auto& row : sdk::k_job_limits) {
        const auto& value = plan.job.limits.*(row.value);
        if (!value) continue;
        if (row.name != "workspace") {
            plan.limits.push_back({row.name, *value, process::holder::engine, {}});
            continue;
        }
        plan.limits.push_back(
            {row.name, *value, process::holder::none, "an engine does not look at what lies in a folder"});
        if (plan.job.limits.required)
            throw process::limits_refused{
                "limits.enforce is required, and containers are not held to limits.workspace"};
    }
}

void hold_isolation(container_plan& plan, const container_rules& rules) {
    const auto& wanted = plan.job.setting.isolation;
    for (const auto& row : sdk::k_job_isolation) {
        const auto& value = wanted.*(row.value);
        const bool may_be_open = row.name == "network" || row.name == "files";
        if (value == false && !may_be_open)
            throw job_error{"invalid", sdk::concat("isolation.", row.name, ": expected ", row.on,
                                                   ", as a container always has it, found ", row.off)};
        if (row.name == "network" && value == false && rules.network != "host")
            throw setting_refused{
                "isolation", sdk::concat("isolation.network = host: this runner's option network is ", rules.network)};
        const bool held = row.name == "network" ? value == true || rules.network == "none"
                          : row.name == "files" ? value == true
                                                : true;
        if (held) plan.held.push_back({std::string(row.name), std::string(row.on), "container", {}});
    }
    for (const auto& path : wanted.writable)
        if (std::none_of(rules.writable.begin(), rules.writable.end(), [&](const auto& f) { return below(path, f); }))
            throw setting_refused{"isolation", sdk::concat("this runner's option writable does not allow ", path)};
}

void check_user(const container_plan& plan) {
    for (const auto* text : {&plan.job.setting.user, &plan.job.setting.group})
        if (text->find_first_not_of("0123456789") != std::string::npos)
            throw job_error{"user",
                            sdk::concat("user: expected a number, as names mean nothing outside of the image, found \"",
                                        *text, "\"")};
}

json::array texts(const std::vector<std::string>& all, std::ptrdiff_t from) {
    json::array out;
    out.insert(out.end(), all.begin() + from, all.end());
    return out;
}

json::object limits_of(const sdk::job_limits& limits) {
    json::object host;
    if (limits.memory) host["Memory"] = host["MemorySwap"] = *limits.memory;  // none of it is swap
    if (limits.cpus) host["NanoCpus"] = *limits.cpus * 1'000'000;
    if (limits.pids) host["PidsLimit"] = *limits.pids;
    json::array each;
    const auto add = [&](const char* name, const std::optional<std::uint64_t>& n) {
        if (n) each.push_back(json::object{{"Name", name}, {"Soft", *n}, {"Hard", *n}});
    };
    add("nofile", limits.open_files);
    add("fsize", limits.file_size);
    add("core", limits.core);
    if (!each.empty()) host["Ulimits"] = std::move(each);
    return host;
}

}  // namespace

container_plan plan_container(std::string_view document, const container_rules& rules) {
    container_plan plan;
    plan.job = process::read_job(document);
    plan.container = container_of(document);
    check_user(plan);
    hold_limits(plan);
    hold_isolation(plan, rules);
    if (!plan.job.setting.user.empty())
        plan.held.insert(plan.held.begin(), {"user", plan.job.setting.user, "container", {}});
    return plan;
}

std::vector<std::string> container_plan::secret_values() const {
    std::vector<std::string> values;
    for (const auto& each : job.secrets) values.push_back(each.second);
    return values;
}

std::string container_plan::create_body(std::size_t step, const container_rules& rules, const std::string& workspace,
                                        const process::attempt_names& names) const {
    const auto& setting = job.setting;
    json::array environment;
    for (const auto& [name, value] : job.environment) environment.emplace_back(sdk::concat(name, "=", value));
    for (const auto& [name, value] : job.secrets) environment.emplace_back(sdk::concat(name, "=", value));
    environment.emplace_back(sdk::concat("SIGRUN_OUTPUT=", process::output_path(std::string(k_workspace))));
    environment.emplace_back(sdk::concat("SIGRUN_JOB=", names.job));
    environment.emplace_back(sdk::concat("SIGRUN_ATTEMPT=", names.number));
    environment.emplace_back(sdk::concat("SIGRUN_FENCING_TOKEN=", names.token));
    json::object host = limits_of(job.limits);
    json::array binds{json::value(sdk::concat(workspace, ":", k_workspace))};
    for (const auto& path : setting.isolation.writable) binds.emplace_back(sdk::concat(path, ":", path));
    host["Binds"] = std::move(binds);
    host["NetworkMode"] = setting.isolation.network == true ? std::string("none") : rules.network;
    host["SecurityOpt"] = json::array{"no-new-privileges"};
    if (setting.isolation.files == true) {
        host["ReadonlyRootfs"] = true;
        host["Tmpfs"] = json::object{{"/tmp", ""}, {"/var/tmp", ""}};
    }
    std::string workdir = job.workdir.empty()     ? std::string(k_workspace)
                          : job.workdir[0] == '/' ? job.workdir
                                                  : sdk::concat(k_workspace, "/", job.workdir);
    json::object body{{"Image", container.image},
                      // Not the image's own entry point, and nothing that an engine takes for "as the image says".
                      {"Entrypoint", json::array{job.steps[step].argv[0]}},
                      {"Cmd", texts(job.steps[step].argv, 1)},
                      {"Env", std::move(environment)},
                      {"WorkingDir", std::move(workdir)},
                      {"Labels", {{"sigrun.job", names.job}, {"sigrun.token", names.token}}},
                      {"Tty", setting.pty.has_value()},
                      {"HostConfig", std::move(host)}};
    if (!setting.user.empty())
        body["User"] = setting.group.empty() ? setting.user : sdk::concat(setting.user, ":", setting.group);
    return json::serialize(body);
}

}  // namespace sigrun::container

#include "kernel/app/sigrun/job_document.hpp"

#include "kernel/app/sigrun/cell_text.hpp"
#include "kernel/app/sigrun/job_file.hpp"
#include "kernel/base/base64.hpp"

#include <charconv>
#include <cstdlib>
#include <fstream>
#include <iterator>

namespace sigrun::cli {
namespace {

constexpr std::size_t k_largest_payload = 64u << 20;

result<std::string> payload_bytes(const std::string& given) {
    if (given.empty() || given[0] != '@') return given;
    std::ifstream file(given.substr(1), std::ios::binary);
    if (!file) return bad_value("--payload", "a text or @FILE", "\"" + given + "\", which cannot be read");
    std::string content((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    if (content.size() > k_largest_payload)
        return bad_value("--payload", "at most 64 MiB", std::to_string(content.size()) + " bytes");
    return content;
}

json::array words(const std::vector<std::string>& texts) {
    json::array out;
    for (const auto& t : texts) out.emplace_back(t);
    return out;
}

result<json::array> preferences(const std::vector<std::string>& texts) {
    json::array out;
    for (const auto& text : texts) {
        int weight = 0;
        const auto colon = text.find(':');
        const char* end = text.data() + (colon == std::string::npos ? 0 : colon);
        auto [stop, ec] = std::from_chars(text.data(), end, weight);
        if (colon == std::string::npos || ec != std::errc{} || stop != end)
            return bad_value("--prefers", "WEIGHT:EXPRESSION such as '10:label.cache == \"warm\"'", "\"" + text + "\"");
        out.push_back(json::object{{"if", text.substr(colon + 1)}, {"weight", weight}});
    }
    return out;
}

// The daemon checks the values; numbers are written as such where the document wants them.
result<json::object> limits_of(const std::map<std::string, std::string>& given) {
    json::object out;
    for (const auto& [name, text] : given) {
        if (text.empty()) continue;
        boost::system::error_code error;
        auto number =
            name == "cpus" || name == "pids" || name == "open_files" ? json::parse(text, error) : json::value();
        if (error || (!number.is_null() && !number.is_number()))
            return bad_value("limits." + name, "a number", "\"" + text + "\"");
        out[name] = number.is_null() ? json::value(text) : number;
    }
    return out;
}

}  // namespace

result<json::object> pairs(const std::vector<std::string>& texts, std::string_view option) {
    json::object out;
    for (const auto& text : texts) {
        const auto equals = text.find('=');
        if (equals == std::string::npos || equals == 0)
            return bad_value(std::string(option), "NAME=VALUE", "\"" + text + "\"");
        out[text.substr(0, equals)] = text.substr(equals + 1);
    }
    return out;
}

json::value text_or_base64(std::string_view bytes) {
    if (is_utf8(bytes)) return json::value(json::string(bytes));
    return json::object{{"base64", to_base64(bytes)}};
}

std::string bytes_of(const json::value& value) {
    if (value.is_string()) return std::string(value.get_string());
    const auto* object = value.if_object();
    if (!object) return {};
    return from_base64(text_or(*object, "base64")).value_or(std::string());
}

namespace {}  // namespace

// Never from the command line itself: everybody on the machine can read that.
result<json::object> secret_values(const std::vector<std::string>& named) {
    json::object out;
    for (const auto& each : named) {
        const auto at = each.find("=@");
        const auto name = each.substr(0, at);
        if (at != std::string::npos) {
            const auto file = each.substr(at + 2);
            std::ifstream in(file, std::ios::binary);
            std::string text((std::istreambuf_iterator<char>(in)), {});
            if (!in) return bad_value("--secret", "a file that can be read", "\"" + file + "\"");
            // An editor ends the last line; the secret does not.
            if (!text.empty() && text.back() == '\n' && text.find('\n') == text.size() - 1) text.pop_back();
            out[name] = text;
        } else if (each.find('=') != std::string::npos) {
            return bad_value("--secret", "NAME, a variable of the environment, or NAME=@FILE",
                             "NAME=VALUE, which everybody on this machine can see");
        } else if (const char* value = std::getenv(name.c_str())) {
            out[name] = value;
        } else {
            return bad_value("--secret", "the name of a variable of the environment",
                             "\"" + name + "\", which is not set");
        }
    }
    return out;
}

result<json::object> job_document(const job_options& o) {
    json::object out{{"kind", o.kind}};
    if (o.command.empty()) return bad_value("command", "a command after --", "nothing");
    out["command"] = words(o.command);
    auto set = [&](const char* name, const std::string& value) {
        if (!value.empty()) out[name] = value;
    };
    set("requires", o.requires_text);
    set("workdir", o.workdir);
    set("queue", o.queue);
    set("tenant", o.tenant);
    set("affinity", o.affinity);
    set("zone", o.zone);
    set("protocol", o.protocol);
    set("preferred_protocol", o.preferred_protocol);
    set("max_latency", o.max_latency);
    set("balancer", o.balancer);
    set("priority", o.priority);
    set("durability", o.durability);
    set("delay", o.delay);
    set("start_at", o.start_at);
    if (!o.payload.empty()) {
        SIGRUN_TRY(bytes, payload_bytes(o.payload));
        out["payload"] = text_or_base64(bytes);
    }
    if (!o.group.empty() || !o.group_policy.empty()) {
        auto group = group_value(o.group, o.group_policy);
        if (!group) return bad_value("--group", group.error().expected, group.error().found);
        out["group"] = *group;
    }
    SIGRUN_TRY(environment, pairs(o.environment, "--env"));
    if (!environment.empty()) out["env"] = std::move(environment);
    SIGRUN_TRY(secrets, secret_values(o.secrets));
    if (!secrets.empty()) out["secrets"] = std::move(secrets);
    if (!o.artifacts.empty()) out["artifacts"] = json::array(o.artifacts.begin(), o.artifacts.end());
    SIGRUN_TRY(labels, pairs(o.labels, "--label"));
    if (!labels.empty()) out["labels"] = std::move(labels);
    SIGRUN_TRY(prefers, preferences(o.prefers));
    if (!prefers.empty()) out["prefers"] = std::move(prefers);
    SIGRUN_TRY(limits, limits_of(o.limits));
    if (!limits.empty()) out["limits"] = std::move(limits);
    SIGRUN_CHECK_OK(add_setting(o.setting, out));
    json::object timeouts, retry;
    if (!o.run_timeout.empty()) timeouts["run"] = o.run_timeout;
    if (!o.queue_timeout.empty()) timeouts["queue"] = o.queue_timeout;
    if (!o.start_timeout.empty()) timeouts["start"] = o.start_timeout;
    if (!o.silent_timeout.empty()) timeouts["silent"] = o.silent_timeout;
    if (!o.total_timeout.empty()) timeouts["total"] = o.total_timeout;
    if (!timeouts.empty()) out["timeouts"] = std::move(timeouts);
    if (o.user_retries >= 0) retry["user"] = o.user_retries;
    if (o.infrastructure_retries >= 0) retry["infrastructure"] = o.infrastructure_retries;
    if (o.memory_factor > 0) retry["memory_factor"] = o.memory_factor;
    if (!retry.empty()) out["retry"] = std::move(retry);
    if (o.once) out["idempotent"] = false;
    if (o.hedge) out["hedge"] = true;
    if (o.explain) out["explain"] = true;
    return out;
}

}  // namespace sigrun::cli

#include "kernel/job/filled_in.hpp"

#include "kernel/job/job_trace.hpp"
#include "kernel/job/memory_growth.hpp"
#include "kernel/job/need_outputs.hpp"

#include <sigrun/cpp/job_limits.hpp>
#include <sigrun/cpp/request_context.hpp>
#include <sigrun/cpp/text.hpp>

#include <algorithm>

namespace sigrun {
namespace {

constexpr std::uint32_t k_most_retries = 100;  // as in a document

json::object* object_of(json::object& o, std::string_view name) {
    auto* v = o.if_contains(name);
    return v ? v->if_object() : nullptr;
}

problem not_allowed(std::string field, std::string expected, std::string_view found) {
    return bad_value(std::move(field), std::move(expected), sdk::concat("\"", found.substr(0, 80), "\""));
}

result<void> take_env_back(json::object& document, const json::object& written) {
    auto* env = object_of(document, "env");
    for (const auto& [key, value] : written) {
        const auto name = sdk::concat("env.", std::string_view(key));
        auto* now = env ? env->if_contains(key) : nullptr;
        if (!value.is_string() || !now || !now->is_string())
            return bad_value("signature.written." + name, "a text of a variable that is there", "something else");
        const std::string_view pattern = value.get_string(), text = now->get_string();
        if (!could_be_filled_in(pattern, text))
            return not_allowed(name, sdk::concat("outputs of needs in \"", pattern.substr(0, 80), "\""), text);
        *now = value;
    }
    return {};
}

result<void> take_memory_back(json::object& document, const json::value& written) {
    auto* limits = object_of(document, "limits");
    sdk::job_limits before, now;
    json::object first{{"memory", written}};
    if (!limits || sdk::read_job_limits(first, before) || sdk::read_job_limits(*limits, now) || !before.memory ||
        !now.memory)
        return bad_value("signature.written.memory", "a limit of memory that is there", "something else");
    const auto* retry = object_or_null(document, "retry");
    const double factor = retry ? number_or<double>(*retry, "memory_factor", 1) : 1;
    // Copies beside an attempt, of which nobody counts how many lack memory, are none of the retries.
    std::uint32_t most = k_most_retries;
    if (!bool_or(document, "hedge", false))
        most = retry ? std::min(number_or<std::uint32_t>(*retry, "user", 0), k_most_retries) : 0;
    if (!could_have_grown(*before.memory, *now.memory, factor, most))
        return not_allowed("limits.memory", "what it was signed with, by retry.memory_factor for each attempt",
                           std::to_string(*now.memory));
    (*limits)["memory"] = written;
    return {};
}

result<void> take_trace_back(json::object& document) {
    auto* env = object_of(document, "env");
    const auto* now = env ? env->if_contains(k_trace_variable) : nullptr;
    if (!now || !now->is_string() || !sdk::is_trace_parent(now->get_string()))
        return bad_value(sdk::concat("env.", k_trace_variable), "a W3C traceparent", "something else");
    env->erase(k_trace_variable);
    return {};
}

result<void> take_back(json::object& document, std::string_view name, const json::value& value) {
    if (name == "env" && value.is_object()) return take_env_back(document, value.get_object());
    if (name == "memory") return take_memory_back(document, value);
    if (name == "trace" && value.is_bool()) return value.get_bool() ? take_trace_back(document) : result<void>();
    return problem{errc::unknown_field, "unknown field", sdk::concat("signature.written.", name.substr(0, 60)),
                   "an object env, a limit memory, or true or false as trace", "something else"};
}

}  // namespace

std::string with_written(const std::string& document, std::string offered) {
    auto before = parse_object(document), now = parse_object(offered);
    if (!before || !now) return offered;
    auto* signature = object_of(*now, "signature");
    if (!signature) return offered;
    json::object written, env;
    const auto* env_before = object_or_null(*before, "env");
    if (const auto* env_now = object_or_null(*now, "env"))
        for (const auto& [name, value] : *env_now) {
            const auto* was = env_before ? env_before->if_contains(name) : nullptr;
            if (!was)
                written["trace"] = true;
            else if (*was != value)
                env[name] = *was;
        }
    if (!env.empty()) written["env"] = std::move(env);
    const auto *limits_before = object_or_null(*before, "limits"), *limits_now = object_or_null(*now, "limits");
    if (limits_before && limits_now) {
        const auto *was = limits_before->if_contains("memory"), *is = limits_now->if_contains("memory");
        if (was && is && *was != *is) written["memory"] = *was;
    }
    if (written.empty()) return offered;
    (*signature)["written"] = std::move(written);
    return json::serialize(*now);
}

result<json::object> as_written(const json::object& offered) {
    json::object out = offered;
    auto* signature = object_of(out, "signature");
    if (!signature || !signature->contains("written")) return out;
    const auto written = std::move(signature->at("written"));
    signature->erase("written");
    const auto* o = written.if_object();
    if (!o) return bad_value("signature.written", "an object", "something else");
    for (const auto& [name, value] : *o) SIGRUN_CHECK_OK(take_back(out, name, value));
    return out;
}

}  // namespace sigrun

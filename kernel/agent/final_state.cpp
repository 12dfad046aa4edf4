#include "kernel/agent/final_state.hpp"

#include "kernel/base/json.hpp"

namespace sigrun {
namespace {

json::object failure_of(std::string_view failure_class, std::string_view code, std::string_view message) {
    return {{"class", failure_class}, {"code", code}, {"message", message}};
}

// Copies what is there and of the right kind; an executor is a plugin and may say anything.
void take_details(const json::object& from, json::object& to) {
    for (auto key : {"exit_code", "signal"}) {
        const auto* v = from.if_contains(key);
        to[key] = v && v->is_int64() ? json::value(v->get_int64()) : json::value(nullptr);
    }
    for (auto key : {"usage", "limits", "isolation", "outputs"})
        if (const auto* what = object_or_null(from, key)) to[key] = *what;
    for (auto key : {"output_warnings", "steps"})
        if (const auto* what = array_or_null(from, key)) to[key] = *what;
}

final_state failed(json::object failure, const json::object& details) {
    json::object o{{"state", failure["class"] == "cancelled" ? "cancelled" : "failed"}};
    take_details(details, o);
    o["failure"] = std::move(failure);
    return {json::serialize(o), {}};
}

final_state ended_by_itself(const json::object& o) {
    auto code = number_or<std::int64_t>(o, "exit_code", -1);
    auto signal = number_or<std::int64_t>(o, "signal", 0);
    if (code == 0 && signal == 0) {
        json::object state{{"state", "succeeded"}};
        take_details(o, state);
        return {json::serialize(state), {}};
    }
    std::string message(text_or(o, "message"));
    if (message.empty())
        message = signal ? "killed by signal " + std::to_string(signal) : "exited with code " + std::to_string(code);
    return failed(failure_of("user", signal ? "signal" : "exit_code", message), o);
}

}  // namespace

final_state conclude(const result<buffer_ref>& answer, bool bytes) {
    if (answer && bytes) return {{}, *answer};
    if (answer) {
        auto o = parse_object(answer->view());
        if (!o || (!o->contains("exit_code") && !o->contains("signal")))
            return ended_as("infra_runner", "executor", "the executor did not say how the job ended");
        return ended_by_itself(*o);
    }
    const auto& p = answer.error();
    if (auto o = parse_object(p.message); o && o->contains("class")) {
        return failed(failure_of(text_or(*o, "class"), text_or(*o, "code"), text_or(*o, "message")), *o);
    }
    if (p.code == errc::cancelled) return ended_as("cancelled", "cancelled", p.text());
    return ended_as("infra_runner", "executor", p.text());
}

final_state conclude_ended(const result<buffer_ref>& answer, std::string_view failure_class, std::string_view code,
                           std::string_view message) {
    if (answer) return conclude(answer, false);
    const auto& p = answer.error();
    auto o = parse_object(p.message);
    const bool told = o && o->contains("class");
    if (told ? text_or(*o, "class") != "cancelled" : p.code != errc::cancelled) return conclude(answer, false);
    return failed(failure_of(failure_class, code, message), told ? *o : json::object());
}

final_state ended_as(std::string_view failure_class, std::string_view code, std::string_view message) {
    return failed(failure_of(failure_class, code, message), {});
}

bool ended_for_good(const final_state& how) {
    if (how.json.empty()) return true;
    const auto o = parse_object(how.json);
    if (!o) return false;
    const auto* why = object_or_null(*o, "failure");
    if (!why) return text_or(*o, "state") == "succeeded";
    const auto cls = text_or(*why, "class"), code = text_or(*why, "code");
    const bool never_ran = code == "not_found" || code == "not_executable" || code == "workdir" || code == "invalid";
    return (cls == "user" && !never_ran) || cls == "user_timeout" || cls == "resource";
}

final_state without_artifacts(final_state how, std::string_view failure_class, std::string_view code,
                              const std::vector<std::string>& why) {
    auto read = parse_object(how.json.empty() ? R"({"state":"succeeded","exit_code":0})" : how.json);
    auto parsed = read ? std::move(*read) : json::object();
    if (text_or(parsed, "state") != "succeeded") {
        parsed["artifact_warnings"] = json::array(why.begin(), why.end());
    } else {
        auto message = why.front();
        if (why.size() > 1) {
            message += ", and " + std::to_string(why.size() - 1) + " more";
            parsed["artifact_warnings"] = json::array(why.begin(), why.end());
        }
        parsed["state"] = "failed";
        parsed["failure"] = failure_of(failure_class, code, message);
    }
    return {json::serialize(parsed), std::move(how.payload)};
}

}  // namespace sigrun

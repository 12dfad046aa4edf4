#include "rustci/request.hpp"

#include "rustci/script.hpp"

#include <sigrun/cpp/text.hpp>

#include <boost/json.hpp>
#include <boost/uuid/name_generator_sha1.hpp>
#include <boost/uuid/string_generator.hpp>
#include <boost/uuid/uuid_io.hpp>

namespace sigrun::http::rustci {
namespace {
namespace json = boost::json;

json::string_view jv(std::string_view s) { return {s.data(), s.size()}; }

json::object texts(const std::vector<std::pair<std::string, std::string>>& pairs) {
    json::object out;
    for (const auto& [key, value] : pairs) out[key] = value;
    return out;
}
json::array words(const std::vector<std::string>& list, std::size_t from) {
    json::array out;
    for (std::size_t i = from; i < list.size(); ++i) out.emplace_back(list[i]);
    return out;
}
json::value text_or_null(const std::string& text) { return text.empty() ? json::value() : json::value(text); }

json::array steps_of(const job_document& job) {
    json::array out;
    for (const auto& s : job.steps) {
        json::object o{{"name", s.name},
                       {"command", s.argv.front()},
                       {"args", words(s.argv, 1)},
                       {"working_directory", text_or_null(job.workdir)},
                       {"environment", texts(job.env)},
                       {"timeout", nullptr},
                       {"continue_on_error", false}};
        if (job.run_timeout_s) o["timeout"] = {{"secs", *job.run_timeout_s}, {"nanos", 0}};
        out.push_back(std::move(o));
    }
    return out;
}

std::string payload_text(const job_document& job, payload_form form) {
    if (form == payload_form::empty) return {};
    if (form == payload_form::script) return script_of(job);
    json::object o{{"sigrun", 1},
                   {"command", job.single ? json::value(words(job.steps.front().argv, 0)) : json::value()},
                   {"env", texts(job.env)},
                   {"workdir", text_or_null(job.workdir)},
                   {"steps", steps_of(job)}};
    return json::serialize(o);
}

}  // namespace

std::string job_uuid(std::string_view job, std::uint32_t attempt) {
    // The namespace of these names; any fixed UUID does, changing it would change every id.
    static constexpr char k_namespace[] = "8f1c1e0a-52f0-5d0e-9a55-9d2b6a6b1c10";
    const boost::uuids::name_generator_sha1 generate(boost::uuids::string_generator()(k_namespace));
    return boost::uuids::to_string(generate(sdk::concat(job, "/", attempt)));
}

std::string submit_body(const job_document& job, const attempt_names& attempt, std::string_view uuid,
                        const options& settings) {
    json::object metadata;
    std::string job_type = "Build";
    for (const auto& [name, value] : job.labels) {
        if (name == "job_type") job_type = value;
        metadata[name] = value;
    }
    metadata["sigrun.job"] = jv(attempt.job);
    metadata["sigrun.attempt"] = std::to_string(attempt.number);
    metadata["sigrun.token"] = jv(attempt.token);
    if (settings.payload == payload_form::json) metadata["sigrun.payload"] = "application/vnd.sigrun.command+json";
    if (settings.payload == payload_form::script) metadata["sigrun.payload"] = "text/x-shellscript";

    json::array bytes;
    for (unsigned char c : payload_text(job, settings.payload)) bytes.emplace_back(static_cast<std::uint64_t>(c));
    json::object requirements{{"cpu_cores", nullptr},          {"memory_mb", nullptr},
                              {"storage_gb", nullptr},         {"gpu_count", nullptr},
                              {"max_execution_time", nullptr}, {"required_capabilities", json::array()}};
    if (job.run_timeout_s) requirements["max_execution_time"] = *job.run_timeout_s;
    json::object body{{"job_id", jv(uuid)},
                      {"job_type", job_type},
                      {"priority", job.priority},
                      {"payload", {{"Small", std::move(bytes)}}},
                      {"requirements", std::move(requirements)},
                      {"metadata", std::move(metadata)},
                      {"timeout", nullptr}};
    if (settings.send_steps) body["steps"] = steps_of(job);
    return json::serialize(body);
}

}  // namespace sigrun::http::rustci

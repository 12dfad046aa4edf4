#include "rustci/request.hpp"

#include "rustci/script.hpp"
#include "wire/text.hpp"

#include <boost/json.hpp>
#include <boost/uuid/name_generator_sha1.hpp>
#include <boost/uuid/string_generator.hpp>
#include <boost/uuid/uuid_io.hpp>

namespace sigrun::http::rustci {
namespace {

using pairs = std::vector<std::pair<std::string, std::string>>;

std::string texts(const pairs& members) {
    json_members out;
    for (const auto& [key, value] : members) out.text(key, value);
    return out.finish();
}

std::string words(const std::vector<std::string>& list, std::size_t from) {
    std::string out = "[";
    for (std::size_t i = from; i < list.size(); ++i) {
        if (i > from) out += ',';
        append_json_string(out, list[i]);
    }
    return out + "]";
}

void text_or_null(json_members& out, std::string_view key, std::string_view text) {
    if (text.empty()) return out.raw(key, "null");
    out.text(key, text);
}

std::string steps_of(const job_document& job, std::string_view env) {
    std::string out = "[";
    for (const auto& s : job.steps) {
        json_members o;
        o.text("name", s.name);
        o.text("command", s.argv.front());
        o.raw("args", words(s.argv, 1));
        text_or_null(o, "working_directory", job.workdir);
        o.raw("environment", env);
        o.raw("timeout", job.run_timeout_s ? sdk::concat("{\"secs\":", *job.run_timeout_s, ",\"nanos\":0}") : "null");
        o.raw("continue_on_error", "false");
        if (out.size() > 1) out += ',';
        out += o.finish();
    }
    return out + "]";
}

std::string payload_text(const job_document& job, payload_form form, std::string_view env, std::string_view steps) {
    if (form == payload_form::empty) return {};
    if (form == payload_form::script) return script_of(job);
    json_members o;
    o.number("sigrun", 1);
    o.raw("command", job.single ? words(job.steps.front().argv, 0) : "null");
    o.raw("env", env);
    text_or_null(o, "workdir", job.workdir);
    o.raw("steps", steps);
    return o.finish();
}

/// Bytes as the contract has them: a list of numbers.
std::string numbers(std::string_view bytes) {
    std::string out = "[";
    out.reserve(bytes.size() * 4 + 2);
    for (const char c : bytes) {
        if (out.size() > 1) out += ',';
        sdk::detail::append(out, unsigned{static_cast<unsigned char>(c)});
    }
    return out + "]";
}

std::size_t size_of(const pairs& members) {
    std::size_t n = 0;
    for (const auto& [key, value] : members) n += key.size() + value.size();
    return n;
}

}  // namespace

std::size_t least_size(const job_document& job, const options& settings) {
    const auto each = size_of(job.env) + job.workdir.size();
    std::size_t steps = 0;
    for (const auto& s : job.steps) {
        steps += each;
        for (const auto& word : s.argv) steps += word.size();
    }
    std::size_t n = size_of(job.labels);
    if (settings.send_steps) n += steps;
    if (settings.payload != payload_form::empty) n += steps * 2;  // a digit and a comma for each byte, at least
    return n;
}

std::string job_uuid(std::string_view job, std::uint32_t attempt) {
    // The namespace of these names; any fixed UUID does, changing it would change every id.
    static constexpr char k_namespace[] = "8f1c1e0a-52f0-5d0e-9a55-9d2b6a6b1c10";
    const boost::uuids::name_generator_sha1 generate(boost::uuids::string_generator()(k_namespace));
    return boost::uuids::to_string(generate(sdk::concat(job, "/", attempt)));
}

std::string submit_body(const job_document& job, const attempt_names& attempt, std::string_view uuid,
                        const options& settings) {
    boost::json::object metadata;  // a label of a name that is used here gives way
    std::string_view job_type = "Build";
    for (const auto& [name, value] : job.labels) {
        if (name == "job_type") job_type = value;
        metadata[name] = value;
    }
    metadata["sigrun.job"] = boost::json::string_view(attempt.job);
    metadata["sigrun.attempt"] = std::to_string(attempt.number);
    metadata["sigrun.token"] = boost::json::string_view(attempt.token);
    if (settings.payload == payload_form::json) metadata["sigrun.payload"] = "application/vnd.sigrun.command+json";
    if (settings.payload == payload_form::script) metadata["sigrun.payload"] = "text/x-shellscript";

    const auto env = texts(job.env);
    const auto steps = steps_of(job, env);
    json_members payload;
    payload.raw("Small", numbers(payload_text(job, settings.payload, env, steps)));
    json_members requirements;
    for (const auto key : {"cpu_cores", "memory_mb", "storage_gb", "gpu_count"}) requirements.raw(key, "null");
    requirements.raw("max_execution_time", job.run_timeout_s ? sdk::concat(*job.run_timeout_s) : "null");
    requirements.raw("required_capabilities", "[]");

    json_members body;
    body.text("job_id", uuid);
    body.text("job_type", job_type);
    body.number("priority", job.priority);
    body.raw("payload", payload.finish());
    body.raw("requirements", requirements.finish());
    body.raw("metadata", boost::json::serialize(metadata));
    body.raw("timeout", "null");
    if (settings.send_steps) body.raw("steps", steps);
    return body.finish();
}

}  // namespace sigrun::http::rustci

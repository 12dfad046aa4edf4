#include "serve/documents.hpp"

#include <boost/json.hpp>

#include <optional>
#include <string>

namespace sigrun::grpc {
namespace {
namespace json = boost::json;

json::object object_of(std::string_view text) {
    boost::system::error_code ec;
    auto value = json::parse(text, ec);
    if (ec || !value.is_object()) return {};
    return std::move(value.as_object());
}

std::string text(const json::object& o, std::string_view key) {
    const auto* v = o.if_contains(key);
    return v && v->is_string() ? std::string(v->get_string()) : std::string();
}

template <class Number>
std::optional<Number> number(const json::object& o, std::string_view key) {
    const auto* v = o.if_contains(key);
    boost::system::error_code ec;
    if (!v || !v->is_number()) return std::nullopt;
    const auto n = v->to_number<Number>(ec);
    return ec ? std::nullopt : std::optional<Number>(n);
}

bool yes(const json::object& o, std::string_view key) {
    const auto* v = o.if_contains(key);
    return v && v->is_bool() && v->get_bool();
}

const json::object* inner(const json::object& o, std::string_view key) {
    const auto* v = o.if_contains(key);
    return v ? v->if_object() : nullptr;
}

void fill(v1::Artifact& artifact, const json::object& o) {
    artifact.set_name(text(o, "name"));
    artifact.set_size(number<std::uint64_t>(o, "size").value_or(0));
    artifact.set_sha256(text(o, "sha256"));
}

void fill(v1::Job& job, const json::object& o) {
    job.set_id(text(o, "id"));
    job.set_state(text(o, "state"));
    if (auto n = number<std::int32_t>(o, "exit_code")) job.set_exit_code(*n);
    if (auto n = number<std::int32_t>(o, "signal")) job.set_signal(*n);
    if (const auto* failure = inner(o, "failure")) {
        job.mutable_failure()->set_failure_class(text(*failure, "class"));
        job.mutable_failure()->set_code(text(*failure, "code"));
        job.mutable_failure()->set_message(text(*failure, "message"));
    }
    if (const auto* runner = inner(o, "runner")) {
        job.mutable_runner()->set_id(text(*runner, "id"));
        job.mutable_runner()->set_name(text(*runner, "name"));
    }
    job.set_protocol(text(o, "protocol"));
    job.set_reason(text(o, "reason"));
    job.set_submitted_at(text(o, "submitted_at"));
    job.set_start_at(text(o, "start_at"));
    job.set_retry_of(text(o, "retry_of"));
    job.set_name(text(o, "name"));
    job.set_submission(text(o, "submission"));
    job.set_started_at(text(o, "started_at"));
    job.set_finished_at(text(o, "finished_at"));
    job.set_log_bytes(number<std::uint64_t>(o, "log_bytes").value_or(0));
    job.set_log_missing_bytes(number<std::uint64_t>(o, "log_missing_bytes").value_or(0));
    if (const auto* outputs = inner(o, "outputs"))
        for (const auto& [key, value] : *outputs)
            if (value.is_string()) (*job.mutable_outputs())[std::string(key)] = std::string(value.get_string());
    if (const auto* artifacts = o.if_contains("artifacts"); artifacts && artifacts->is_array())
        for (const auto& each : artifacts->get_array())
            if (const auto* a = each.if_object()) fill(*job.add_artifacts(), *a);
    job.set_idempotency_replayed(yes(o, "idempotency_replayed"));
}

void fill(v1::Runner& runner, const json::object& o) {
    runner.set_id(text(o, "id"));
    runner.set_name(text(o, "name"));
    runner.set_status(text(o, "status"));
    runner.set_status_reason(text(o, "status_reason"));
    runner.set_type(text(o, "type"));
    runner.set_endpoint(text(o, "endpoint"));
    runner.set_rung(text(o, "rung"));
    if (auto n = number<std::uint32_t>(o, "slots")) runner.set_slots(*n);
    runner.set_in_flight(number<std::uint32_t>(o, "in_flight").value_or(0));
    if (const auto* labels = inner(o, "labels"))
        for (const auto& [key, value] : *labels)
            if (value.is_string()) (*runner.mutable_labels())[std::string(key)] = std::string(value.get_string());
}

template <class List>
void fill_items(List& list, const json::object& o) {
    if (const auto* items = o.if_contains("items"); items && items->is_array())
        for (const auto& item : items->get_array())
            if (const auto* each = item.if_object()) {
                auto& added = *list.add_items();
                fill(added, *each);
                added.set_json(json::serialize(item));
            }
}

template <class List>
List list_of(std::string_view text_json) {
    List list;
    const auto o = object_of(text_json);
    fill_items(list, o);
    list.set_next(text(o, "next"));
    return list;
}

}  // namespace

v1::Job job_of(std::string_view json) {
    v1::Job job;
    fill(job, object_of(json));
    job.set_json(std::string(json));
    return job;
}

v1::ListJobsResponse jobs_of(std::string_view json) { return list_of<v1::ListJobsResponse>(json); }

v1::SubmitManyResponse submitted_of(std::string_view json) {
    v1::SubmitManyResponse out;
    const auto o = object_of(json);
    out.set_submission(text(o, "submission"));
    out.set_idempotency_replayed(yes(o, "idempotency_replayed"));
    fill_items(out, o);
    out.set_json(std::string(json));
    return out;
}

v1::Runner runner_of(std::string_view json) {
    v1::Runner runner;
    fill(runner, object_of(json));
    runner.set_json(std::string(json));
    return runner;
}

v1::ListRunnersResponse runners_of(std::string_view json) { return list_of<v1::ListRunnersResponse>(json); }

v1::Event event_of(std::string_view json) {
    v1::Event event;
    const auto o = object_of(json);
    event.set_seq(number<std::uint64_t>(o, "seq").value_or(0));
    event.set_time(text(o, "time"));
    event.set_type(text(o, "type"));
    event.set_runner(text(o, "runner"));
    event.set_job(text(o, "job"));
    event.set_json(std::string(json));
    return event;
}

v1::Explanation explanation_of(std::string_view json) {
    v1::Explanation out;
    const auto o = object_of(json);
    out.set_id(text(o, "id"));
    out.set_state(text(o, "state"));
    out.set_reason(text(o, "reason"));
    out.set_json(std::string(json));
    return out;
}

v1::ListArtifactsResponse artifacts_of(std::string_view json) {
    v1::ListArtifactsResponse list;
    const auto o = object_of(json);
    if (const auto* items = o.if_contains("items"); items && items->is_array())
        for (const auto& item : items->get_array())
            if (const auto* each = item.if_object()) fill(*list.add_items(), *each);
    return list;
}

v1::ArtifactPiece artifact_piece_of(std::string_view json) {
    v1::ArtifactPiece piece;
    const auto o = object_of(json);
    piece.set_offset(number<std::uint64_t>(o, "offset").value_or(0));
    piece.set_size(number<std::uint64_t>(o, "size").value_or(0));
    piece.set_sha256(text(o, "sha256"));
    piece.set_end(yes(o, "end"));
    return piece;
}

v1::LogPiece log_piece_of(std::string_view json) {
    v1::LogPiece piece;
    const auto o = object_of(json);
    piece.set_offset(number<std::uint64_t>(o, "offset").value_or(0));
    piece.set_stream(text(o, "stream"));
    piece.set_time_ns(number<std::uint64_t>(o, "time_ns").value_or(0));
    piece.set_end(yes(o, "end"));
    piece.set_state(text(o, "state"));
    piece.set_missing_bytes(number<std::uint64_t>(o, "missing_bytes").value_or(0));
    return piece;
}

}  // namespace sigrun::grpc

#include "serve/methods.hpp"

#include "serve/documents.hpp"
#include "serve/job_spec.hpp"
#include "sigrun/v1/calls.pb.h"
#include "wire/deframer.hpp"

#include <sigrun/cpp/text.hpp>

#include <boost/json.hpp>

#include <array>

namespace sigrun::grpc {
namespace {
namespace json = boost::json;

template <class Request>
std::optional<problem> read(std::string_view bytes, Request& out) {
    if (out.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return std::nullopt;
    return problem{"invalid", "malformed request", "message",
                   sdk::concat("a ", out.GetTypeName(), " whose texts are UTF-8"),
                   sdk::concat(bytes.size(), " other bytes")};
}

std::optional<problem> done(call_parts& out, std::string_view method, const json::object& params) {
    out.method = method;
    if (!params.empty()) out.params = json::serialize(params);
    return std::nullopt;
}

// ---- Jobs

std::optional<problem> submit(std::string_view bytes, call_parts& out) {
    v1::SubmitRequest r;
    if (auto bad = read(bytes, r)) return bad;
    if (r.job_case() == v1::SubmitRequest::JOB_NOT_SET)
        return problem{"invalid", "no job", "job", "spec or document", "neither"};
    out.document = r.has_spec() ? job_document(r.spec()) : r.document();
    out.has_payload = r.has_payload();
    out.payload = r.payload();
    json::object params;
    set_text(params, "wait", r.wait());
    set_text(params, "idempotency_key", r.idempotency_key());
    return done(out, "jobs.submit", params);
}

std::optional<problem> submit_many(std::string_view bytes, call_parts& out) {
    v1::SubmitManyRequest r;
    if (auto bad = read(bytes, r)) return bad;
    if (r.document().empty() == (r.jobs_size() == 0))
        return problem{"invalid", "no jobs", "jobs", "either jobs or document", r.jobs_size() ? "both" : "neither"};
    out.document = r.jobs_size() ? submission_document(r) : r.document();
    json::object params;
    set_text(params, "idempotency_key", r.idempotency_key());
    if (r.dry_run()) params["dry_run"] = true;
    return done(out, "jobs.submit_many", params);
}

template <class Request>
std::optional<problem> by_id(std::string_view bytes, call_parts& out, std::string_view method) {
    Request r;
    if (auto bad = read(bytes, r)) return bad;
    return done(out, method, {{"id", r.id()}});
}

std::optional<problem> list_jobs(std::string_view bytes, call_parts& out) {
    v1::ListJobsRequest r;
    if (auto bad = read(bytes, r)) return bad;
    json::object params;
    set_text(params, "state", r.state());
    set_text(params, "queue", r.queue());
    set_text(params, "where", r.where());
    set_text(params, "tenant", r.tenant());
    if (r.limit()) params["limit"] = r.limit();
    set_text(params, "cursor", r.cursor());
    return done(out, "jobs.list", params);
}

std::optional<problem> cancel(std::string_view bytes, call_parts& out) {
    v1::CancelJobRequest r;
    if (auto bad = read(bytes, r)) return bad;
    json::object params{{"id", r.id()}};
    set_text(params, "grace", r.grace());
    return done(out, "jobs.cancel", params);
}

std::optional<problem> logs(std::string_view bytes, call_parts& out) {
    v1::LogsRequest r;
    if (auto bad = read(bytes, r)) return bad;
    json::object params{{"id", r.id()}, {"offset", r.offset()}};
    if (r.follow()) params["follow"] = true;
    set_text(params, "since", r.since());
    if (r.has_tail()) params["tail"] = r.tail();
    if (r.attempt()) params["attempt"] = r.attempt();
    return done(out, "jobs.logs", params);
}

std::optional<problem> read_artifact(std::string_view bytes, call_parts& out) {
    v1::ReadArtifactRequest r;
    if (auto bad = read(bytes, r)) return bad;
    json::object params{{"id", r.id()}, {"name", r.name()}, {"offset", r.offset()}};
    if (r.has_length()) params["length"] = r.length();
    return done(out, "artifacts.read", params);
}

std::optional<std::string> give_artifact(const reply_parts& r) {
    auto piece = artifact_piece_of(r.json);
    piece.set_data(r.payload.data(), r.payload.size());
    return framed_message(piece);
}

std::optional<std::string> give_job(const reply_parts& r) {
    auto job = job_of(r.json);
    if (r.has_payload) job.set_result(r.payload.data(), r.payload.size());
    return framed_message(job);
}

std::optional<std::string> give_log(const reply_parts& r) {
    auto piece = log_piece_of(r.json);
    piece.set_data(r.payload.data(), r.payload.size());
    return framed_message(piece);
}

// ---- Runners

std::optional<problem> add_runner(std::string_view bytes, call_parts& out) {
    v1::AddRunnerRequest r;
    if (auto bad = read(bytes, r)) return bad;
    json::object o;
    set_text(o, "name", r.name());
    set_text(o, "endpoint", r.endpoint());
    set_text(o, "profile", r.profile());
    json::object labels;
    for (const auto& [key, value] : r.labels()) labels[key] = value;
    if (!labels.empty()) o["labels"] = std::move(labels);
    if (r.has_slots()) o["slots"] = r.slots();
    if (!r.options().empty()) {
        boost::system::error_code ec;
        auto options = json::parse(r.options(), ec);
        if (ec || !options.is_object())
            return problem{"invalid", "wrong value", "options", "a JSON object", shown(r.options())};
        o["options"] = std::move(options);
    }
    out.document = json::serialize(o);
    return done(out, "runners.add", {});
}

std::optional<problem> list_runners(std::string_view bytes, call_parts& out) {
    v1::ListRunnersRequest r;
    if (auto bad = read(bytes, r)) return bad;
    json::object params;
    set_text(params, "where", r.where());
    if (r.limit()) params["limit"] = r.limit();
    set_text(params, "cursor", r.cursor());
    return done(out, "runners.list", params);
}

std::optional<problem> remove_runner(std::string_view bytes, call_parts& out) {
    v1::RemoveRunnerRequest r;
    if (auto bad = read(bytes, r)) return bad;
    json::object params{{"id", r.id()}};
    if (r.force()) params["force"] = true;
    return done(out, "runners.remove", params);
}

std::optional<problem> change_runner(std::string_view bytes, call_parts& out, std::string_view method) {
    v1::ChangeRunnerRequest r;
    if (auto bad = read(bytes, r)) return bad;
    json::object params{{"id", r.id()}};
    set_text(params, "reason", r.reason());
    return done(out, method, params);
}

// ---- Events, any call

std::optional<problem> watch(std::string_view bytes, call_parts& out) {
    v1::WatchRequest r;
    if (auto bad = read(bytes, r)) return bad;
    json::object params;
    if (r.has_after()) params["after"] = r.after();
    std::string types;
    for (const auto& type : r.types()) types += (types.empty() ? "" : ",") + type;
    set_text(params, "types", types);
    return done(out, "events.watch", params);
}

std::optional<problem> any_call(std::string_view bytes, call_parts& out) {
    v1::CallRequest r;
    if (auto bad = read(bytes, r)) return bad;
    if (r.method().empty()) return problem{"invalid", "no method", "method", "the name of one", "nothing"};
    out.method = r.method();
    out.params = r.params();
    out.document = r.document();
    out.has_payload = r.has_payload();
    out.payload = r.payload();
    return std::nullopt;
}

std::optional<std::string> give_reply(const reply_parts& r) {
    v1::Reply reply;
    reply.set_json(std::string(r.json));
    if (r.has_payload) reply.set_payload(r.payload.data(), r.payload.size());
    reply.set_last(r.last);
    return framed_message(reply);
}

template <auto Make>
std::optional<std::string> give(const reply_parts& r) {
    return framed_message(Make(r.json));
}

#define SIGRUN_GRPC_BY_ID(Request, name) \
    [](std::string_view bytes, call_parts& out) { return by_id<v1::Request>(bytes, out, name); }
#define SIGRUN_GRPC_CHANGE(name) [](std::string_view bytes, call_parts& out) { return change_runner(bytes, out, name); }

constexpr std::array<method, 23> k_methods{{
    {"/sigrun.v1.Jobs/Submit", shape::unary, &submit, &give_job},
    {"/sigrun.v1.Jobs/SubmitMany", shape::unary, &submit_many, &give<submitted_of>},
    {"/sigrun.v1.Jobs/Get", shape::unary, SIGRUN_GRPC_BY_ID(GetJobRequest, "jobs.get"), &give_job},
    {"/sigrun.v1.Jobs/List", shape::unary, &list_jobs, &give<jobs_of>},
    {"/sigrun.v1.Jobs/Cancel", shape::unary, &cancel, &give_job},
    {"/sigrun.v1.Jobs/Retry", shape::unary, SIGRUN_GRPC_BY_ID(RetryJobRequest, "jobs.retry"), &give_job},
    {"/sigrun.v1.Jobs/Logs", shape::streaming, &logs, &give_log},
    {"/sigrun.v1.Jobs/ListArtifacts", shape::unary, SIGRUN_GRPC_BY_ID(ListArtifactsRequest, "artifacts.list"),
     &give<artifacts_of>},
    {"/sigrun.v1.Jobs/ReadArtifact", shape::streaming, &read_artifact, &give_artifact},
    {"/sigrun.v1.Jobs/Explain", shape::unary, SIGRUN_GRPC_BY_ID(ExplainRequest, "jobs.explain"), &give<explanation_of>},
    {"/sigrun.v1.Runners/Add", shape::unary, &add_runner, &give<runner_of>},
    {"/sigrun.v1.Runners/List", shape::unary, &list_runners, &give<runners_of>},
    {"/sigrun.v1.Runners/Get", shape::unary, SIGRUN_GRPC_BY_ID(GetRunnerRequest, "runners.get"), &give<runner_of>},
    {"/sigrun.v1.Runners/Remove", shape::unary, &remove_runner, &give<runner_of>},
    {"/sigrun.v1.Runners/Drain", shape::unary, SIGRUN_GRPC_CHANGE("runners.drain"), &give<runner_of>},
    {"/sigrun.v1.Runners/Resume", shape::unary, SIGRUN_GRPC_CHANGE("runners.resume"), &give<runner_of>},
    {"/sigrun.v1.Runners/Maintenance", shape::unary, SIGRUN_GRPC_CHANGE("runners.maintenance"), &give<runner_of>},
    {"/sigrun.v1.Runners/Detect", shape::unary, SIGRUN_GRPC_BY_ID(GetRunnerRequest, "runners.detect"),
     &give<runner_of>},
    {"/sigrun.v1.Events/Watch", shape::streaming, &watch, &give<event_of>},
    {"/sigrun.v1.Calls/Call", shape::streaming, &any_call, &give_reply},
    {"/sigrun.v1.Sessions/Open", shape::session, nullptr, nullptr},
    {"/grpc.health.v1.Health/Check", shape::health_check, nullptr, nullptr},
    {"/grpc.health.v1.Health/Watch", shape::health_watch, nullptr, nullptr},
}};

}  // namespace

const method* find_method(std::string_view path) noexcept {
    for (const auto& m : k_methods)
        if (m.path == path) return &m;
    return nullptr;
}

bool is_service(std::string_view name) noexcept {
    if (name.empty()) return false;
    for (const auto& m : k_methods)
        if (m.path.size() > name.size() + 2 && m.path.substr(1, name.size()) == name && m.path[name.size() + 1] == '/')
            return true;
    return false;
}

}  // namespace sigrun::grpc

#include "serve/job_spec.hpp"

#include <boost/json.hpp>

namespace sigrun::grpc {
namespace {
namespace json = boost::json;

template <class List>
json::array texts(const List& list) {
    json::array out;
    for (const auto& each : list) out.emplace_back(each);
    return out;
}

/// Sorted, so that the same job is the same document (idempotency keys compare it).
template <class Map>
json::object pairs(const Map& map) {
    std::map<std::string_view, std::string_view> sorted(map.begin(), map.end());
    json::object out;
    for (const auto& [key, value] : sorted) out[key] = value;
    return out;
}

json::object limits_object(const v1::Limits& limits) {
    json::object o;
    set_text(o, "memory", limits.memory());
    if (limits.has_cpus()) o["cpus"] = limits.cpus();
    if (limits.has_pids()) o["pids"] = limits.pids();
    if (limits.has_open_files()) o["open_files"] = limits.open_files();
    set_text(o, "file_size", limits.file_size());
    set_text(o, "core", limits.core());
    set_text(o, "workspace", limits.workspace());
    set_text(o, "enforce", limits.enforce());
    return o;
}

json::value terminal_value(const v1::Terminal& terminal) {
    json::object o;
    if (terminal.rows()) o["rows"] = terminal.rows();
    if (terminal.columns()) o["columns"] = terminal.columns();
    return o.empty() ? json::value(true) : json::value(std::move(o));
}

json::object isolation_object(const v1::Isolation& isolation) {
    json::object o;
    set_text(o, "tmp", isolation.tmp());
    set_text(o, "mounts", isolation.mounts());
    set_text(o, "processes", isolation.processes());
    set_text(o, "network", isolation.network());
    set_text(o, "ipc", isolation.ipc());
    set_text(o, "files", isolation.files());
    set_text(o, "syscalls", isolation.syscalls());
    set_text(o, "privileges", isolation.privileges());
    if (isolation.writable_size()) o["writable"] = texts(isolation.writable());
    set_text(o, "enforce", isolation.enforce());
    return o;
}

json::object signature_object(const v1::Signature& signature) {
    json::object o;
    set_text(o, "key", signature.key());
    set_text(o, "nonce", signature.nonce());
    set_text(o, "expires", signature.expires());
    set_text(o, "value", signature.value());
    if (signature.fields_size()) o["fields"] = pairs(signature.fields());
    return o;
}

json::object job_object(const v1::JobSpec& spec) {
    json::object o;
    set_text(o, "kind", spec.kind());
    if (spec.command_size()) o["command"] = texts(spec.command());
    if (spec.steps_size()) {
        json::array steps;
        for (const auto& step : spec.steps()) {
            json::object one;
            set_text(one, "name", step.name());
            one["command"] = texts(step.command());
            if (step.continue_on_error()) one["continue_on_error"] = true;
            steps.push_back(std::move(one));
        }
        o["steps"] = std::move(steps);
    }
    if (spec.env_size()) o["env"] = pairs(spec.env());
    if (spec.secrets_size()) o["secrets"] = pairs(spec.secrets());
    if (spec.artifacts_size()) {
        json::array artifacts;
        for (const auto& each : spec.artifacts()) {
            json::object one{{"path", each.path()}};
            set_text(one, "name", each.name());
            if (each.optional()) one["optional"] = true;
            artifacts.push_back(std::move(one));
        }
        o["artifacts"] = std::move(artifacts);
    }
    set_text(o, "workdir", spec.workdir());
    set_text(o, "requires", spec.requirement());
    if (spec.prefers_size()) {
        json::array prefers;
        for (const auto& each : spec.prefers()) {
            json::object one{{"if", each.condition()}};
            if (each.has_weight()) one["weight"] = each.weight();
            prefers.push_back(std::move(one));
        }
        o["prefers"] = std::move(prefers);
    }
    set_text(o, "queue", spec.queue());
    set_text(o, "tenant", spec.tenant());
    set_text(o, "priority", spec.priority());
    set_text(o, "balancer", spec.balancer());
    set_text(o, "affinity", spec.affinity());
    set_text(o, "protocol", spec.protocol());
    set_text(o, "preferred_protocol", spec.preferred_protocol());
    set_text(o, "max_latency", spec.max_latency());
    set_text(o, "zone", spec.zone());
    if (spec.labels_size()) o["labels"] = pairs(spec.labels());
    if (spec.has_timeouts()) {
        json::object timeouts;
        set_text(timeouts, "queue", spec.timeouts().queue());
        set_text(timeouts, "run", spec.timeouts().run());
        set_text(timeouts, "start", spec.timeouts().start());
        set_text(timeouts, "silent", spec.timeouts().silent());
        set_text(timeouts, "total", spec.timeouts().total());
        o["timeouts"] = std::move(timeouts);
    }
    if (spec.has_retry()) {
        json::object retry;
        if (spec.retry().has_user()) retry["user"] = spec.retry().user();
        if (spec.retry().has_infrastructure()) retry["infrastructure"] = spec.retry().infrastructure();
        if (spec.retry().has_memory_factor()) retry["memory_factor"] = spec.retry().memory_factor();
        o["retry"] = std::move(retry);
    }
    if (spec.has_limits()) o["limits"] = limits_object(spec.limits());
    set_text(o, "user", spec.user());
    if (spec.has_pty()) o["pty"] = terminal_value(spec.pty());
    if (spec.has_isolation()) o["isolation"] = isolation_object(spec.isolation());
    if (spec.has_container()) {
        json::object container;
        set_text(container, "image", spec.container().image());
        set_text(container, "pull", spec.container().pull());
        o["container"] = std::move(container);
    }
    if (spec.has_signature()) o["signature"] = signature_object(spec.signature());
    set_text(o, "durability", spec.durability());
    set_text(o, "start_at", spec.start_at());
    set_text(o, "delay", spec.delay());
    if (spec.has_idempotent()) o["idempotent"] = spec.idempotent();
    if (spec.has_hedge()) o["hedge"] = spec.hedge();
    if (spec.has_explain()) o["explain"] = spec.explain();
    if (spec.has_group()) {
        json::object group{{"name", spec.group().name()}};
        if (spec.group().max()) group["max"] = spec.group().max();
        set_text(group, "policy", spec.group().policy());
        o["group"] = std::move(group);
    }
    return o;
}

}  // namespace

std::string job_document(const v1::JobSpec& spec) { return json::serialize(job_object(spec)); }

std::string submission_document(const v1::SubmitManyRequest& request) {
    json::array jobs;
    for (const auto& each : request.jobs()) {
        auto one = job_object(each.spec());
        one["name"] = each.name();
        if (each.needs_size()) one["needs"] = texts(each.needs());
        set_text(one, "when", each.when());
        jobs.push_back(std::move(one));
    }
    return json::serialize(json::object{{"jobs", std::move(jobs)}});
}

}  // namespace sigrun::grpc

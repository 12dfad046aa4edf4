// jobs.submit_many: several jobs in one document, with what they need of each other.
#include "kernel/base/json_writer.hpp"
#include "kernel/job/job_json.hpp"
#include "kernel/serve/methods.hpp"
#include "kernel/serve/submitted_signatures.hpp"
#include "kernel/serve/tenancy.hpp"

#include <sigrun/cpp/text.hpp>

namespace sigrun {
namespace {

std::string jobs_json(const std::vector<job_ptr>& jobs, bool replayed) {
    std::string out = "{\"submission\":";
    out += jobs.empty() || !jobs.front()->ties ? "null" : "\"" + jobs.front()->ties->submission.text() + "\"";
    out += ",\"items\":[";
    for (const auto& j : jobs) {
        if (j != jobs.front()) out += ',';
        append_job_summary(out, *j);
    }
    out += ']';
    if (replayed) out += ",\"idempotency_replayed\":true";
    return out + '}';
}

// What would be submitted.
std::string plan_json(const std::vector<submitted_job>& jobs, const std::vector<spec_ptr>& specs) {
    std::string out;
    json_writer w(out);
    w.open_object().member("dry_run", true).key("items").open_array();
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        const auto& each = jobs[i];
        w.open_object().member("name", each.name);
        if (!each.needs.empty()) {
            w.member("when", to_string(each.when)).key("needs").open_array();
            for (const auto need : each.needs) w.value(jobs[need].name);
            w.close_array();
        }
        w.key("document").raw(specs[i]->told_document()).close_object();
    }
    w.close_array().close_object();
    return out;
}

void submit_many(controller& c, const call_input& in, const call_ptr& call) {
    auto params = parse_params(in.params, {"idempotency_key", "dry_run"});
    if (!params) return void(call->fail(params.error()));
    auto dry_run = bool_param(*params, "dry_run", false);
    if (!dry_run) return void(call->fail(dry_run.error()));
    const auto document = several_for_tenant(in);
    if (!document) return void(call->fail(document.error()));
    auto jobs = read_submission(*document);
    if (!jobs) return void(call->fail(jobs.error()));
    if (*dry_run) {
        auto specs = c.jobs.specs_of(*jobs);
        if (!specs) return void(call->fail(specs.error()));
        return void(call->last(plan_json(*jobs, *specs)));
    }
    if (c.signatures)
        for (const auto& each : *jobs)
            if (auto fine = c.signatures->check(each.document, {}, each.field); !fine)
                return void(call->fail(fine.error()));
    submit_request request{*document, {}, std::string(text_or(*params, "idempotency_key"))};
    if (in.who) request.submitter = in.who->name;
    request.trace_parent = in.trace_parent;
    c.jobs.submit_many(request, *jobs, [call](const result<std::vector<job_ptr>>& made, bool replayed) {
        if (made)
            call->last(jobs_json(*made, replayed));
        else
            call->fail(made.error());
    });
}

}  // namespace

void add_submission_methods(router& r, controller& c) {
    r.add("jobs.submit_many", [&c](const call_input& in, const call_ptr& call) { submit_many(c, in, call); });
}

}  // namespace sigrun

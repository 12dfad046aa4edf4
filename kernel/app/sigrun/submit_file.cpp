#include "kernel/app/sigrun/submit_file.hpp"

#include "kernel/app/sigrun/follow.hpp"
#include "kernel/app/sigrun/job_end.hpp"
#include "kernel/app/sigrun/job_file.hpp"
#include "kernel/app/sigrun/job_view.hpp"
#include "kernel/app/sigrun/table.hpp"
#include "kernel/base/id.hpp"

#include <algorithm>
#include <fstream>
#include <iostream>
#include <iterator>

namespace sigrun::cli {
namespace {

constexpr std::size_t k_largest_document = 64u << 20;

json::object parsed(const std::string& text, const std::string& name) {
    auto o = parse_object(text);
    if (o) return std::move(*o);
    problem p = o.error();
    p.field = name;
    throw failure(p);
}

std::string names_of(const json::object& job, std::string_view member) {
    std::string out;
    if (const auto* list = array_or_null(job, member))
        for (const auto& item : *list) {
            const auto* need = item.if_object();
            out += (out.empty() ? "" : ", ") +
                   std::string(need ? text_or(*need, "name") : std::string_view(item.get_string()));
        }
    return out;
}

std::string submitted_table(const json::array& jobs, const terminal& where) {
    table t(
        {{"name", 0, 12}, {"id", column::k_whole}, {"state", column::k_whole}, {"needs", 0, 8}, {"command", 0, 10}});
    for (const auto& item : jobs)
        if (const auto* job = item.if_object()) {
            const auto state = text_or(*job, "state");
            t.add({text_or(*job, "name"),
                   text_or(*job, "id"),
                   {state, style_of_state(state)},
                   names_of(*job, "needs"),
                   command_text(*job)});
        }
    return t.render(where);
}

std::string planned_table(const json::array& jobs, const terminal& where) {
    table t({{"name", 0, 12}, {"needs", 0, 8}, {"when", column::k_whole}, {"document", 0, 20}});
    for (const auto& item : jobs)
        if (const auto* job = item.if_object())
            t.add({text_or(*job, "name"), names_of(*job, "needs"), text_or(*job, "when"),
                   json::serialize(job->at("document"))});
    return t.render(where);
}

// Skipped since others ended as they did: it is no result of its own.
bool was_skipped(const json::object& job) {
    const auto* why = object_or_null(job, "failure");
    const auto code = why ? text_or(*why, "code") : std::string_view();
    return text_or(job, "state") == "cancelled" && (code == "upstream" || code == "not_needed");
}

/// Each until it ends, in their order; its line on stderr when it has.
int wait_for_all(context& ctx, const json::array& jobs, bool quiet) {
    int worst = k_ok;
    json::array ended;
    for (const auto& item : jobs) {
        const std::string id(text_or(item.as_object(), "id"));
        follow_options follow;
        follow.output = false;
        follow.placement = false;
        follow_job(ctx, id, follow);
        json::object job = final_job(ctx, id);
        const bool skipped = was_skipped(job);
        if (!skipped) worst = std::max(worst, exit_code_of_job(job));
        if (!quiet) {
            const auto* why = object_or_null(job, "failure");
            std::string line =
                std::string(text_or(job, "name")) + ": " + std::string(skipped ? "skipped" : text_or(job, "state"));
            if (why) line += " (" + std::string(text_or(*why, "message")) + ")";
            ctx.note(line);
        }
        ended.push_back(std::move(job));
    }
    if (ctx.json()) context::print(json::serialize(json::object{{"items", std::move(ended)}}) + "\n");
    return worst;
}

}  // namespace

std::string read_jobs(const std::string& file) {
    std::string text;
    if (file == "-") {
        text.assign(std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>());
    } else {
        std::ifstream in(file, std::ios::binary);
        if (!in)
            throw failure(bad_value("FILE", "a file of jobs (JSON or INI) or - for stdin",
                                    "\"" + file + "\", which cannot be read"),
                          "a command goes behind --: sigrun submit -- " + file);
        text.assign(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
    }
    if (text.size() > k_largest_document)
        throw failure(bad_value("FILE", "at most 64 MiB", std::to_string(text.size()) + " bytes"));
    const std::string name = file == "-" ? "stdin" : file;
    // An INI file begins with a section or a comment; everything else is meant to be JSON.
    const auto first = text.find_first_not_of(" \t\r\n");
    const bool ini = first != std::string::npos && (text[first] == '[' || text[first] == '#' || text[first] == ';');
    if (ini) return json::serialize(need(jobs_of_ini(text, name)));
    parsed(text, name);
    return text;
}

bool names_several(std::string_view document) {
    const auto o = parse_object(document);
    return o && o->contains("jobs");
}

int submit_jobs(context& ctx, const std::string& document, const submit_options& how) {
    json::object params{{"idempotency_key", how.key.empty() ? "cli-" + random_secret(12) : how.key}};
    if (how.dry_run) {
        params = {{"dry_run", true}};
        // One job is a submission of one, without ties.
        auto several = parsed(document, "document");
        if (!several.contains("jobs")) {
            several["name"] = "job";
            several = {{"jobs", json::array{std::move(several)}}};
        }
        const json::object plan = ctx.insist("jobs.submit_many", params, json::serialize(several));
        context::print(ctx.json() ? json::serialize(plan) + "\n"
                                  : planned_table(plan.at("items").as_array(), ctx.out()));
        return k_ok;
    }
    const json::object made = ctx.insist("jobs.submit_many", params, document);
    const auto& jobs = made.at("items").as_array();
    if (!ctx.json())
        context::print(submitted_table(jobs, ctx.out()));
    else if (!how.wait)
        context::print(json::serialize(made) + "\n");
    if (!how.wait) return k_ok;
    try {
        return wait_for_all(ctx, jobs, how.quiet);
    } catch (const failure& f) {
        if (f.from() != failure::source::interrupt) ctx.complain(f);
        return f.run_exit_code();
    }
}

}  // namespace sigrun::cli

// sigrun run, sigrun submit
#include "kernel/app/sigrun/context.hpp"
#include "kernel/app/sigrun/follow.hpp"
#include "kernel/app/sigrun/job_document.hpp"
#include "kernel/app/sigrun/job_end.hpp"
#include "kernel/app/sigrun/job_flags.hpp"
#include "kernel/app/sigrun/job_signing.hpp"
#include "kernel/app/sigrun/submit_file.hpp"
#include "kernel/base/id.hpp"

#include <fstream>
#include <iostream>
#include <iterator>

namespace sigrun::cli {
namespace {

struct request {
    job_options job;
    signing_options signing;
    std::string file;  // submit only
    std::string key;
    bool quiet = false, wait = false, dry_run = false;
};

/// Submits once: the key makes another try after a lost connection find the first one's job.
json::object submit(context& ctx, const std::string& document, std::string key) {
    if (key.empty()) key = "cli-" + random_secret(12);
    const json::object params{{"idempotency_key", key}};
    return ctx.insist("jobs.submit", params, document);
}

int follow_to_end(context& ctx, const std::string& id, const follow_options& follow, bool quiet) {
    const followed how = follow_job(ctx, id, follow);
    const json::object job = final_job(ctx, id);
    if (follow.placement && !how.placed)
        if (const std::string line = placement_line(job); !line.empty()) ctx.note(line);
    if (follow.output && ctx.json()) {
        context::print(json::serialize(json::object{{"job", job}}) + "\n");
    } else if (follow.output) {
        if (const json::value* answer = job.if_contains("result"); answer && !answer->is_null())
            context::print(bytes_of(*answer));
    }
    if (const json::array* told = array_or_null(job, "output_warnings"); told && !quiet)
        for (const auto& each : *told)
            if (each.is_string()) ctx.note("SIGRUN_OUTPUT: " + std::string(each.get_string()));
    // The job's own failure has spoken on its own stderr; what Sigrun adds is everything else, such as a command that
    // does not exist.
    const json::object* why = object_or_null(job, "failure");
    const bool spoke = exit_code_of_job(job) == number_or<int>(job, "exit_code", -1) &&
                       (!why || text_or(*why, "code") == "exit_code" || text_or(*why, "code") == "exit");
    if (!quiet && !spoke) tell_end(ctx, job);
    return exit_code_of_job(job);
}

int run(context& ctx, const request& what) {
    std::string id;
    try {
        auto described = job_document(what.job);
        if (!described) {
            ctx.complain(failure(described.error()));
            return k_run_failed;  // wrong usage: nobody was asked yet
        }
        const std::string document = signed_document(json::serialize(*described), what.signing);
        const json::object job = submit(ctx, document, what.key);
        id = text_or(job, "id");
        follow_options follow;
        follow.placement = !what.quiet;
        follow.cancel_on_interrupt = true;
        return follow_to_end(ctx, id, follow, what.quiet);
    } catch (const failure& f) {
        if (f.from() != failure::source::interrupt) ctx.complain(f);
        return f.run_exit_code();
    } catch (const reader_gone&) {
        if (!id.empty()) ctx.daemon().call("jobs.cancel", {{"id", id}});
        throw;
    }
}

int submit_command(context& ctx, const request& what) {
    if (what.file.empty() == what.job.command.empty())
        throw failure(bad_value("submit", "either FILE or -- COMMAND", what.file.empty() ? "neither" : "both"),
                      "example: sigrun submit -- make test");
    const std::string plain = what.file.empty() ? json::serialize(need(job_document(what.job))) : read_jobs(what.file);
    const std::string document = what.dry_run ? plain : signed_document(plain, what.signing);
    if (what.dry_run || names_several(document))
        return submit_jobs(ctx, document, {what.key, what.wait, what.dry_run, what.quiet});
    const json::object job = submit(ctx, document, what.key);
    const std::string id(text_or(job, "id"));
    context::print(ctx.json() && !what.wait ? json::serialize(job) + "\n" : id + "\n");
    if (!what.wait) return k_ok;
    try {
        follow_options follow;
        follow.output = false;
        follow.placement = !what.quiet;
        return follow_to_end(ctx, id, follow, what.quiet);
    } catch (const failure& f) {
        if (f.from() != failure::source::interrupt) ctx.complain(f);
        return f.run_exit_code();
    }
}

}  // namespace

void add_run_commands(CLI::App& app, context& ctx) {
    auto run_request = std::make_shared<request>();
    auto* run_app =
        app.add_subcommand("run", "Run a command on a suitable runner, show its output, exit with its code");
    add_job_flags(*run_app, run_request->job);
    add_signing_flags(*run_app, run_request->signing);
    run_app->add_flag("-q,--quiet", run_request->quiet, "Do not tell on stderr where the job runs and why");
    run_app->footer(
        "Examples:\n"
        "  sigrun run -- make -j4 test\n"
        "  sigrun run --requires 'host.arch == \"x86_64\" && cpu.effective_cores >= 2' -- sh -c 'nproc; "
        "uname -a'\n"
        "  sigrun run --kind call --payload hello -- echo\n"
        "Ctrl-C or SIGTERM cancels the job and waits for its end; a second one leaves it alone.\n"
        "The job's stdin is empty; give it data with --payload (calls), --env or files. It tells results by KEY=VALUE\n"
        "lines in the file named by $SIGRUN_OUTPUT. With --output json: one object per piece of output, and at last\n"
        "{\"job\":{...}} with its state, exit code and outputs.");
    run_app->callback([&ctx, run_request] {
        ctx.action = [&ctx, run_request] {
            take_command(ctx, run_request->job);
            return run(ctx, *run_request);
        };
    });

    auto submit_request = std::make_shared<request>();
    auto* submit_app = app.add_subcommand("submit", "Submit a job, or a file of several, and print the ids");
    submit_app
        ->add_option("file", submit_request->file,
                     "A job document in JSON, or several jobs in JSON or INI; - reads stdin")
        ->type_name("FILE");
    add_job_flags(*submit_app, submit_request->job, false);
    add_signing_flags(*submit_app, submit_request->signing);
    submit_app->add_option("--key", submit_request->key, "Idempotency key: the same key never makes a second job");
    submit_app->add_flag("--wait", submit_request->wait, "Wait for the end and exit with the job's code");
    submit_app->add_flag("--dry-run", submit_request->dry_run,
                         "Only print what would be submitted, as the daemon understands it");
    submit_app->add_flag("-q,--quiet", submit_request->quiet, "With --wait: do not tell where the job runs");
    submit_app->footer(
        "Examples:\n"
        "  sigrun submit -- make release\n"
        "  sigrun submit job.json --wait\n"
        "  echo '{\"command\":[\"true\"]}' | sigrun submit -\n"
        "  sigrun submit pipeline.ini --wait\n"
        "A file of several jobs:\n"
        "  [job.build]\n"
        "  command = make CC={matrix.cc}\n"
        "  matrix.cc = gcc, clang\n"
        "  [job.test]\n"
        "  needs = build\n"
        "  shell = make test && echo done\n"
        "An env.NAME may have outputs of a job that is needed: env.V = {needs.test.outputs.version}\n"
        "Other keys: when (success, failure, always), requires, env.NAME, label.NAME, timeout.run, retry.user,\n"
        "limit.memory, group (NAME or NAME:MAX), group.policy, step.NAME, continue_on_error (names of\n"
        "steps), exclude, artifacts, secrets (NAME, which is "
        "a\n"
        "variable of your environment, or NAME=@FILE), isolation.NAME, container.NAME, and the fields of a job "
        "document;\n"
        "[defaults] holds for all. With --wait: the largest exit code of its jobs.");
    submit_app->callback([&ctx, submit_request] {
        ctx.action = [&ctx, submit_request] {
            take_command(ctx, submit_request->job);
            return submit_command(ctx, *submit_request);
        };
    });
}

}  // namespace sigrun::cli

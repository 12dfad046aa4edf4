// sigrun: the command line for people and scripts. Parses, runs one action, turns failures into exit codes.
#include "kernel/app/describe/describe.hpp"
#include "kernel/app/sigrun/cell_text.hpp"
#include "kernel/app/sigrun/context.hpp"
#include "kernel/capability/probe_host.hpp"
#include "kernel/config/settings.hpp"
#include "kernel/log/log.hpp"
#include "kernel/plugin/trial.hpp"

#include <csignal>
#include <iostream>

namespace {

using namespace sigrun::cli;

void add_global_options(CLI::App& app, context& ctx) {
    app.add_option("--url", ctx.options.url,
                   "The daemon (default: SIGRUN_URL, its UNIX socket, valkyrie://127.0.0.1:7070)")
        ->type_name("URL");
    app.add_option("--ca", ctx.options.ca,
                   "PEM file of the authorities the daemon is believed by (default: the system's)")
        ->type_name("FILE");
    app.add_option("--cert", ctx.options.certificate, "PEM file of your certificate")->type_name("FILE");
    app.add_option("--cert-key", ctx.options.key, "PEM file of its key")->type_name("FILE");
    app.add_option("--token", ctx.options.token, "Token (default: SIGRUN_TOKEN, or the file SIGRUN_TOKEN_FILE)")
        ->type_name("TOKEN");
    app.add_option("-o,--output", ctx.options.output, "table or json")
        ->check(CLI::IsMember({"table", "json"}))
        ->capture_default_str();
    app.add_option("--timeout", ctx.options.timeout, "Limit for connecting and for each answer")
        ->type_name("DURATION")
        ->capture_default_str();
    app.add_option("--plugin-dir", ctx.options.plugin_dir, "Plugins (default: SIGRUN_PLUGIN_DIR, beside the program)")
        ->type_name("DIR");
    app.add_flag("--no-color", ctx.options.no_color, "No colours (NO_COLOR does the same)");
}

/// Options may stand before or behind the command's name, on every level.
void let_fall_through(CLI::App& app) {
    for (CLI::App* sub : app.get_subcommands([](CLI::App*) { return true; })) {
        sub->fallthrough(!sub->get_prefix_command());  // what is behind those is not ours
        let_fall_through(*sub);
    }
}

/// What is wrong, with the nearest command for a wrong one, and where the right way is described.
int complain_about_usage(CLI::App& app, const CLI::ParseError& error) {
    CLI::App* deepest = &app;
    std::string path;
    while (!deepest->get_subcommands().empty()) {
        deepest = deepest->get_subcommands().front();
        path += " " + deepest->get_name();
    }
    std::string what = error.what();
    const auto unknown = app.remaining(true);
    std::vector<std::string> commands;
    for (const CLI::App* sub : deepest->get_subcommands([](CLI::App*) { return true; }))
        commands.push_back(sub->get_name());
    if (!unknown.empty() && !commands.empty()) {
        what = "unknown command \"" + printable(unknown.front()) + "\"";
        if (const std::string near = sigrun::nearest_name(unknown.front(), commands); !near.empty())
            what += ", perhaps \"" + near + "\"";
    }
    std::cerr << "sigrun: " << what << "\n        see `sigrun" << path << " --help`\n";
    // `run` passes on the codes of jobs, and 2 is one of them.
    return path == " run" ? k_run_failed : k_usage;
}

int run_action(context& ctx) {
    try {
        return ctx.action();
    } catch (const failure& f) {
        if (f.from() != failure::source::interrupt) ctx.complain(f);
        return f.exit_code();
    } catch (const reader_gone&) {
        return k_reader_gone;
    } catch (const std::exception& e) {
        ctx.note(e.what());
        return k_failed;
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (int code = sigrun::run_as_plugin_host(argc, argv); code >= 0) return code;
    if (int code = sigrun::run_as_probe_host(argc, argv); code >= 0) return code;
    // A closed pipe is told by the write that meets it, whichever thread that is.
    std::signal(SIGPIPE, SIG_IGN);
    sigrun::set_log_level(sigrun::log_level::error);
    context ctx;
    CLI::App app("Runs jobs on a mixed fleet of machines.\nMore about a command: sigrun COMMAND --help", "sigrun");
    app.require_subcommand(1);
    app.get_formatter()->column_width(34);
    add_global_options(app, ctx);
    app.set_version_flag("--version", "sigrun " SIGRUN_VERSION, "The version of this program");
    add_run_commands(app, ctx);
    add_job_commands(app, ctx);
    add_runner_commands(app, ctx);
    add_plugin_commands(app, ctx);
    add_balancer_commands(app, ctx);
    add_probe_command(app, ctx);
    add_events_command(app, ctx);
    add_demand_command(app, ctx);
    add_top_command(app, ctx);
    add_bench_command(app, ctx);
    add_chaos_command(app, ctx);
    add_backup_command(app, ctx);
    add_config_commands(app, ctx);
    add_token_commands(app, ctx);
    add_version_command(app, ctx);
    let_fall_through(app);
    app.footer(std::string("Examples:\n"
                           "  sigrun run -- make test          run a command, see its output, get its exit code\n"
                           "  sigrun runner ls                 the fleet\n"
                           "  sigrun job explain ID            why it waits, or why it runs where it runs\n"
                           "  sigrun probe                     what Sigrun can tell about this machine\n\n") +
               k_exit_codes_help);
    if (sigrun::described(app, argc, argv)) return k_ok;
    // Everything behind "--" is a job's command and none of our options.
    int own = argc;
    for (int i = 1; i < argc && own == argc; ++i)
        if (std::string_view(argv[i]) == "--") own = i;
    for (int i = own + 1; i < argc; ++i) ctx.command_words.emplace_back(argv[i]);
    try {
        app.parse(own, argv);
    } catch (const CLI::Success& e) {  // --help, --version
        return app.exit(e);
    } catch (const CLI::ParseError& e) {
        return complain_about_usage(app, e);
    }
    return run_action(ctx);
}

// sigrun config check|doc|example: what may stand in sigrun.ini, and whether a file is right. Needs no daemon.
#include "kernel/agent/agent_options.hpp"
#include "kernel/app/sigrun/cell_text.hpp"
#include "kernel/app/sigrun/context.hpp"
#include "kernel/app/sigrun/loaded_plugins.hpp"
#include "kernel/config/option_markdown.hpp"
#include "kernel/config/settings.hpp"
#include "kernel/guard/job_trust.hpp"
#include "kernel/net/net_options.hpp"
#include "kernel/plugin/plugin_guard.hpp"
#include "kernel/serve/balancer_settings.hpp"
#include "kernel/serve/queue_settings.hpp"
#include "kernel/serve/security_settings.hpp"
#include "kernel/serve/settings_table.hpp"
#include "kernel/serve/zone_settings.hpp"

#include <sigrun/balancer.h>

#include <filesystem>

namespace sigrun::cli {
namespace {

std::vector<documented_section> everything(plugin_host& host) {
    std::vector<documented_section> out;
    for (const auto& section : daemon_sections()) out.push_back(section);
    for (auto& section : host.documented()) out.push_back(std::move(section));
    return out;
}

/// A section that needs a value only its user can know is an example: every line of it a comment.
bool is_example(const documented_section& section) {
    for (const sigrun_opt& option : section.options)
        if ((option.flags & SIGRUN_OPT_REQUIRED) && option.def.len == 0) return true;
    return false;
}

std::string complete_ini(const std::vector<documented_section>& sections) {
    std::string out;
    for (const auto& section : sections) {
        std::string text = example_ini(std::span(&section, 1));
        if (!out.empty()) out += '\n';
        if (!is_example(section)) {
            out += text;
            continue;
        }
        for (std::size_t at = 0; at < text.size();) {
            const auto end = std::min(text.find('\n', at), text.size());
            if (end > at && text[at] != ';') out += ';';
            out.append(text, at, end - at).push_back('\n');
            at = end + 1;
        }
    }
    return out;
}

int doc(context& ctx, bool as_table, bool as_markdown) {
    loaded_plugins plugins(ctx.plugins(), {}, no_settings());
    plugins.load();
    const auto sections = everything(plugins.host());
    context::print(as_markdown ? options_markdown(sections)
                   : as_table  ? options_table(sections)
                               : complete_ini(sections));
    return k_ok;
}

constexpr std::string_view k_daemon_head =
    R"(; sigrund --config sigrun.ini
; Every key is optional; what is written here is the default. Files in the folder plugins.d beside this one are read after
; it, in the order of their names; then the environment (SIGRUN_SERVER__LISTEN=...), then --set section.key=value. An unknown
; section or key is an error that names the nearest known one. "hot" values change at a reload (SIGHUP, `sigrun config
; reload`, or a change of this file), others at the next start.
;   sigrun config check sigrun.ini     checks this file and plugins.d without starting anything
;   sigrun config doc                  prints every option, those of the plugins included
;   sigrun config example              prints this file

)";
constexpr std::string_view k_runner_head =
    R"(; sigrun-runner --config runner.ini
; Every key is optional; what is written here is the default. Flags and --set win over this file. Plugins have their options
; in sections of their own, e.g. [instance process]; `sigrun config doc` prints them.
;   sigrun config example runner       prints this file

)";

int example(const std::string& of) {
    if (of == "runner") {
        const std::vector<documented_section> sections{
            {"[runner]", "The runner itself.", agent_option_table()},
            {"[tls]", "Encryption, of what is dialled and, with listen, of what is accepted.",
             tls_server_option_table()},
            {"[net]", "How controllers are reached.", net_option_table()},
            {"[security]", "Who must have signed a job.", k_job_trust_table},
            {"[plugins]", "Which plugin files are loaded.", std::span(&k_signature_option, 1)}};
        context::print(std::string(k_runner_head) + complete_ini(sections));
        return k_ok;
    }
    std::string out(k_daemon_head);
    const auto sections = daemon_sections();
    context::print(out + complete_ini({sections.begin(), sections.end()}));
    return k_ok;
}

void check_runner(const settings& config) {
    for (const auto& section : config.sections())
        if (section.name != "runner" && section.name != "tls" && section.name != "net" && section.name != "security" &&
            section.name != "plugins" && !section.name.starts_with("instance ") && !section.name.starts_with("plugin "))
            throw failure(problem{errc::unknown_field, "unknown section",
                                  "[" + section.name + "] (" + section.origin + ")",
                                  "[runner], [tls], [net], [security], [plugins], [instance NAME] or [plugin NAME]",
                                  "[" + section.name + "]"});
    const auto bound = need(bound_section::bind(config.find("runner"), agent_option_table()));
    need(bound_section::bind(config.find("tls"), tls_server_option_table()));
    need(bound_section::bind(config.find("security"), k_job_trust_table));
    need(bound_section::bind(config.find("plugins"), std::span(&k_signature_option, 1)));
    auto options = read_agent_options(*bound);
    if (!options) {
        auto p = options.error();
        p.field = "runner." + p.field;
        throw failure(with_origin(std::move(p), config));
    }
}

void check_balancers(const plugin_host& host, const daemon_settings& bound, const settings& config) {
    std::vector<std::string> names;
    for (const auto& each : host.instances(SIGRUN_KIND_BALANCER)) names.push_back(each->name());
    const auto loaded = [&host](const std::string& name) { return host.find(SIGRUN_KIND_BALANCER, name) != nullptr; };
    if (auto name = default_balancer(bound, config, loaded, names); !name) throw failure(name.error());
    if (auto queues = check_queue_settings(bound, loaded, names); !queues)
        throw failure(with_origin(queues.error(), config));
    if (auto zones = read_zone_settings(bound); !zones) throw failure(with_origin(zones.error(), config));
}

int check(context& ctx, const std::string& file) {
    config_sources sources;
    sources.file = file;
    sources.environment = false;
    const auto beside = std::filesystem::path(file).parent_path() / "plugins.d";
    sources.drop_in_dir = beside.string();
    const settings config = need(settings::load(sources));
    // A daemon's runners have names, the section of a runner's own file has none.
    const bool of_runner = config.find("runner") != nullptr;
    daemon_settings settings_of_daemon;
    if (of_runner) {
        check_runner(config);
    } else {
        const auto bound = need(bind_daemon_settings(config));
        if (auto good = check_daemon_values(bound, config); !good) throw failure(good.error());
        if (auto good = check_security(bound, config); !good) throw failure(good.error());
        settings_of_daemon = bound;
    }
    loaded_plugins plugins(ctx.plugins(), {}, config);
    plugins.load();
    if (!of_runner) check_balancers(plugins.host(), settings_of_daemon, config);
    std::size_t rejected = 0;
    for (const auto& plugin : plugins.host().plugins()) {
        if (plugin.active) continue;
        ++rejected;
        ctx.note(plugin.file + " would be rejected: " + plugin.reason);
    }
    if (ctx.json())
        context::print(json::serialize(json::object{{"file", file},
                                                    {"sections", config.sections().size()},
                                                    {"plugins", plugins.host().plugins().size()},
                                                    {"rejected_plugins", rejected}}) +
                       "\n");
    else
        context::print(printable(file) + ": " + ctx.out().paint("ok", style::good) + ", " +
                       std::to_string(config.sections().size()) + " sections, checked against " +
                       std::to_string(plugins.host().plugins().size()) + " plugins\n");
    return rejected ? k_refused : k_ok;
}

}  // namespace

void add_config_commands(CLI::App& app, context& ctx) {
    auto* group = app.add_subcommand(
        "config", "Configuration: check a file, print every option; reload, history and rollback in the daemon");
    group->require_subcommand(1);
    group->footer(
        "Examples:\n  sigrun config doc > sigrun.ini\n  sigrun config check /etc/sigrun/sigrun.ini\n"
        "  sigrun config reload --dry-run\n  sigrun config history\n  sigrun config rollback");
    add_live_config_commands(*group, ctx);
    auto file = std::make_shared<std::string>();
    auto* check_app = group->add_subcommand(
        "check", "Check the file of a daemon or a runner and the plugins.d folder beside it, start nothing");
    check_app->add_option("file", *file, "The INI file")->required()->type_name("FILE");
    check_app->footer("Example: sigrun config check etc/sigrun.ini");
    check_app->callback([&ctx, file] { ctx.action = [&ctx, file] { return check(ctx, *file); }; });
    auto as_table = std::make_shared<bool>(false);
    auto* doc_app = group->add_subcommand("doc", "A complete INI with every option at its default, and what it means");
    auto as_markdown = std::make_shared<bool>(false);
    doc_app->add_flag("--table", *as_table, "A table for reading instead");
    doc_app->add_flag("--markdown", *as_markdown, "Tables for a README instead");
    doc_app->footer("Example: sigrun config doc --table | less");
    doc_app->callback([&ctx, as_table, as_markdown] {
        ctx.action = [&ctx, as_table, as_markdown] { return doc(ctx, *as_table, *as_markdown); };
    });
    auto of = std::make_shared<std::string>("daemon");
    auto* example_app = group->add_subcommand("example", "The configuration file that is installed: etc/sigrun.ini");
    example_app->add_option("program", *of, "daemon or runner")
        ->capture_default_str()
        ->check(CLI::IsMember({"daemon", "runner"}));
    example_app->footer("Example: sigrun config example runner > runner.ini");
    example_app->callback([&ctx, of] { ctx.action = [of] { return example(*of); }; });
}

}  // namespace sigrun::cli

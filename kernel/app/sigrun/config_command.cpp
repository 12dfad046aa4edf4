// sigrun config check|doc: what may stand in sigrun.ini, and whether a file is right. Needs no daemon.
#include "kernel/app/sigrun/cell_text.hpp"
#include "kernel/app/sigrun/context.hpp"
#include "kernel/app/sigrun/loaded_plugins.hpp"
#include "kernel/config/settings.hpp"
#include "kernel/serve/settings_table.hpp"

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

int doc(context& ctx, bool as_table) {
    loaded_plugins plugins(ctx.plugins(), {}, no_settings());
    plugins.load();
    const auto sections = everything(plugins.host());
    context::print(as_table ? options_table(sections) : complete_ini(sections));
    return k_ok;
}

int check(context& ctx, const std::string& file) {
    config_sources sources;
    sources.file = file;
    sources.environment = false;
    const auto beside = std::filesystem::path(file).parent_path() / "plugins.d";
    sources.drop_in_dir = beside.string();
    const settings config = need(settings::load(sources));
    need(bind_daemon_settings(config));
    loaded_plugins plugins(ctx.plugins(), {}, config);
    plugins.load();
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
    auto* group = app.add_subcommand("config", "Configuration: check a file, print every option (needs no daemon)");
    group->require_subcommand(1);
    group->footer("Examples:\n  sigrun config doc > sigrun.ini\n  sigrun config check /etc/sigrun/sigrun.ini");
    auto file = std::make_shared<std::string>();
    auto* check_app = group->add_subcommand("check", "Check a file and the plugins.d folder beside it, start nothing");
    check_app->add_option("file", *file, "The INI file")->required()->type_name("FILE");
    check_app->footer("Example: sigrun config check etc/sigrun.ini");
    check_app->callback([&ctx, file] { ctx.action = [&ctx, file] { return check(ctx, *file); }; });
    auto as_table = std::make_shared<bool>(false);
    auto* doc_app = group->add_subcommand("doc", "A complete INI with every option at its default, and what it means");
    doc_app->add_flag("--table", *as_table, "A table for reading instead");
    doc_app->footer("Example: sigrun config doc --table | less");
    doc_app->callback([&ctx, as_table] { ctx.action = [&ctx, as_table] { return doc(ctx, *as_table); }; });
}

}  // namespace sigrun::cli

// sigrun plugin ls|show|reload|admit, and the commands of plugin_commands.hpp
#include "kernel/app/sigrun/lists.hpp"
#include "kernel/app/sigrun/plugin_check_command.hpp"
#include "kernel/app/sigrun/plugin_commands.hpp"
#include "kernel/app/sigrun/table.hpp"

#include <sigrun/cpp/text.hpp>

namespace sigrun::cli {
namespace {

/// "protocol" of "sigrun.protocol/1".
std::string kind_text(std::string_view kind) {
    const auto dot = kind.rfind('.');
    const auto slash = kind.rfind('/');
    const auto begin = dot == std::string_view::npos ? 0 : dot + 1;
    return std::string(kind.substr(begin, slash == std::string_view::npos ? slash : slash - begin));
}

std::string words(const json::object& o, std::string_view member) {
    std::string out;
    if (const json::array* list = array_or_null(o, member))
        for (const auto& item : *list)
            if (item.is_string()) out.append(out.empty() ? "" : " ").append(std::string_view(item.get_string()));
    return out;
}

std::string file_name(std::string_view path) {
    const auto slash = path.rfind('/');
    return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

int list(context& ctx) {
    const json::object all = list_all(ctx, "plugins.list", {});
    if (ctx.json()) {
        context::print(json::serialize(all) + "\n");
        return k_ok;
    }
    table t({{"plugin", 0, 14},
             {"kind", 0, 8},
             {"state", column::k_whole},
             {"version", column::k_whole | column::k_optional},
             {"what it is", 0, 20}});
    for (const auto& item : all.at("items").as_array()) {
        const json::object* p = item.if_object();
        if (!p) continue;
        std::string kinds;
        if (const json::array* components = array_or_null(*p, "components"))
            for (const auto& c : *components)
                if (const json::object* one = c.if_object()) {
                    const std::string kind = kind_text(text_or(*one, "kind"));
                    if (kinds.find(kind) == std::string::npos) kinds += (kinds.empty() ? "" : " ") + kind;
                }
        const auto state = text_or(*p, "state"), reason = text_or(*p, "reason");
        // A refused file is known by its name: its id may be that of a plugin which runs.
        const bool by_file = state == "rejected" || text_or(*p, "id").empty();
        t.add({by_file ? file_name(text_or(*p, "file")) : std::string(text_or(*p, "id")), kinds,
               cell(std::string(state) + (bool_or(*p, "pinned", false) ? ", pinned" : ""), style_of_state(state)),
               std::string(text_or(*p, "version")) + (bool_or(*p, "last_good", false) ? " (last good)" : ""),
               reason.empty() ? text_or(*p, "doc") : reason});
    }
    context::print(t.empty() ? "no plugins\n" : t.render(ctx.out()));
    return k_ok;
}

}  // namespace

std::string plugin_details(const json::object& plugin, const terminal& where) {
    fields f;
    const auto state = text_or(plugin, "state");
    f.add("id", {text_or(plugin, "id"), style::strong});
    f.add("state", {std::string(state) + " for " + age_text(number_or<double>(plugin, "age_s", 0)) +
                        (bool_or(plugin, "pinned", false) ? ", pinned" : ""),
                    style_of_state(state)});
    f.add("reason", text_or(plugin, "reason"));
    f.add("what it is", text_or(plugin, "doc"));
    f.add("version", text_or(plugin, "version"));
    f.add("abi", text_or(plugin, "abi"));
    f.add("file", text_or(plugin, "file"));
    f.add("sha256", text_or(plugin, "sha256"));
    f.add("signed by", text_or(plugin, "signed_by"));
    f.add("quarantined", text_or(plugin, "quarantine"));
    if (const auto n = number_or<std::uint64_t>(plugin, "crashes", 0)) f.add("crashes", std::to_string(n));
    f.add("generation", std::to_string(number_or<std::uint64_t>(plugin, "generation", 0)));
    if (const json::array* old = array_or_null(plugin, "retiring"))
        for (const auto& item : *old)
            if (const json::object* o = item.if_object())
                f.add("older",
                      sdk::concat(text_or(*o, "version"), " (generation ",
                                  number_or<std::uint64_t>(*o, "generation", 0), "), ", text_or(*o, "state"), " for ",
                                  age_text(number_or<double>(*o, "age_s", 0)), ": ", text_or(*o, "held_by")));
    std::string out = f.render(where);
    const json::array* components = array_or_null(plugin, "components");
    if (!components) return out;
    for (const auto& item : *components) {
        const json::object* c = item.if_object();
        if (!c) continue;
        out += "\n" +
               where.paint(kind_text(text_or(*c, "kind")) + " " + std::string(text_or(*c, "id")), style::strong) + "\n";
        fields about;
        about.add("what it is", text_or(*c, "doc"));
        about.add("instances", words(*c, "instances"));
        out += about.render(where, "  ");
        table options({{"option", column::k_whole}, {"type", column::k_whole}, {"default", 0, 10}, {"meaning", 0, 20}});
        if (const json::array* list = array_or_null(*c, "options"))
            for (const auto& o : *list)
                if (const json::object* option = o.if_object())
                    options.add({text_or(*option, "key"), text_or(*option, "type"), text_or(*option, "default"),
                                 text_or(*option, "doc")});
        if (!options.empty()) out += options.render(where, "  ");
    }
    return out;
}

namespace {

int show(context& ctx, const std::string& name) {
    const json::object plugin = ask_about_plugin(ctx, "plugins.get", {{"id", name}}, name);
    context::print(ctx.json() ? json::serialize(plugin) + "\n" : plugin_details(plugin, ctx.out()));
    return k_ok;
}

int reload(context& ctx, const std::vector<std::string>& names, bool probation) {
    for (const auto& name : names) {
        const json::object done =
            ask_about_plugin(ctx, "plugins.reload", {{"id", name}, {"probation", probation}}, name);
        context::print(ctx.json() ? json::serialize(done) + "\n" : reload_text(done));
    }
    return k_ok;
}

}  // namespace

std::string reload_text(const json::object& done) {
    const auto* before = object_or_null(done, "old");
    const auto* now = object_or_null(done, "new");
    const std::string id(text_or(done, "id"));
    if (!bool_or(done, "changed", false) || !before || !now)
        return id + ": its file holds what runs already" +
               (bool_or(done, "probation_ended", false) ? "; its probation is over\n" : "\n");
    const auto old_version = text_or(*before, "version");
    std::string out = sdk::concat(id, ": ", old_version, old_version.empty() ? "" : " -> ", text_or(*now, "version"),
                                  " (generation ", number_or<std::uint64_t>(*now, "generation", 0), "), ready in ",
                                  static_cast<std::int64_t>(number_or<double>(done, "prepared_ms", 0)), " ms");
    if (const double probation = number_or<double>(done, "probation_s", 0); probation > 0)
        out += ", on probation for " + age_text(probation);
    return out + "\n";
}

namespace {

void add_life_commands(CLI::App& group, context& ctx) {
    auto wish = std::make_shared<install_wish>();
    auto* install = group.add_subcommand("install", "Check a file, put it into the daemon's plugin folder, load it");
    install->add_option("file", wish->file, "The plugin, e.g. build/mine.so")->required()->type_name("FILE");
    install->add_option("--kind", wish->kind, "Folder to put it in: protocol, balancer, probe, executor, store");
    install->add_option("--name", wish->name, "File name in the folder (default: that of FILE)");
    install->add_flag("--no-probation", wish->at_once, "Let go of the version before at once");
    install->footer("Example: sigrun plugin install build/mine.so\nOnly on the daemon's own machine.");
    install->callback([&ctx, wish] { ctx.action = [&ctx, wish] { return install_plugin(ctx, *wish); }; });

    auto name = std::make_shared<std::string>();
    auto* why = group.add_subcommand("why", "What holds an older version, and why the newest file is not in use");
    why->add_option("plugin", *name, "Its id, or id#generation")->required()->type_name("ID");
    why->footer("Example: sigrun plugin why sigrun.http#6");
    why->callback([&ctx, name] { ctx.action = [&ctx, name] { return why_plugin(ctx, *name); }; });

    auto force = std::make_shared<bool>(false);
    auto* rm = group.add_subcommand("rm", "Take a plugin out of service and its file out of the folder");
    rm->add_option("plugin", *name, "Its id, e.g. sigrun.random")->required()->type_name("ID");
    rm->add_flag("--force", *force, "Also if the configuration names it");
    rm->footer("Example: sigrun plugin rm com.vendor.mine\nThe file stays beside its place as .NAME.so.removed");
    rm->callback(
        [&ctx, name, force] { ctx.action = [&ctx, name, force] { return remove_plugin(ctx, *name, *force); }; });

    auto unpin = std::make_shared<bool>(false);
    auto* pin = group.add_subcommand("pin", "Keep a plugin as it is: no reload, also after a restart");
    pin->add_option("plugin", *name, "Its id, e.g. sigrun.http")->required()->type_name("ID");
    pin->add_flag("--unpin", *unpin, "Let go of it again");
    pin->footer("Example: sigrun plugin pin sigrun.http");
    pin->callback(
        [&ctx, name, unpin] { ctx.action = [&ctx, name, unpin] { return pin_plugin(ctx, *name, !*unpin); }; });
}

int admit(context& ctx, const std::string& name) {
    json::object done;
    try {
        done = ctx.daemon().call_object("plugins.admit", {{"id", name}});
    } catch (const failure& f) {
        if (f.what_happened().code != errc::not_found) throw;
        throw not_found_among(ctx, f.what_happened(), name, "plugin", "plugins.list", "id");
    }
    const std::string id(text_or(done, "id"));
    if (ctx.json())
        context::print(json::serialize(done) + "\n");
    else if (number_or<std::uint64_t>(done, "lifted", 0) == 0)
        context::print(id + ": nothing of it is in quarantine\n");
    else
        context::print(id + ": its quarantine is lifted and its crashes are forgotten; `sigrun plugin reload " + id +
                       "` or the next start takes what its file holds\n");
    return k_ok;
}

}  // namespace

void add_plugin_commands(CLI::App& app, context& ctx) {
    auto* group = app.add_subcommand("plugin", "The daemon's plugins");
    group->require_subcommand(1);
    group->footer(
        "Examples:\n  sigrun plugin ls\n  sigrun plugin why sigrun.http\n"
        "  sigrun plugin install build/mine.so");
    auto* ls = group->add_subcommand("ls", "List plugins, also the rejected ones with the reason");
    ls->footer("Example: sigrun plugin ls");
    ls->callback([&ctx] { ctx.action = [&ctx] { return list(ctx); }; });
    auto name = std::make_shared<std::string>();
    auto* show_app = group->add_subcommand("show", "One plugin: components, instances, options");
    show_app->add_option("plugin", *name, "Its id, e.g. sigrun.http")->required()->type_name("ID");
    show_app->footer("Example: sigrun plugin show sigrun.http");
    show_app->callback([&ctx, name] { ctx.action = [&ctx, name] { return show(ctx, *name); }; });
    auto names = std::make_shared<std::vector<std::string>>();
    auto* reload_app = group->add_subcommand("reload", "Replace plugins by what their files hold now, while jobs run");
    reload_app->add_option("plugin", *names, "Ids, e.g. sigrun.round_robin")->required()->type_name("ID...");
    auto at_once = std::make_shared<bool>(false);
    reload_app->add_flag("--no-probation", *at_once, "Let go of the version before at once, do not keep it warm");
    reload_app->footer(
        "Example: sigrun plugin reload sigrun.round_robin\nA file that is refused changes nothing: the old one goes "
        "on. The "
        "daemon does this by itself when a file in its folder changes, unless [plugins] watch = no.");
    reload_app->callback(
        [&ctx, names, at_once] { ctx.action = [&ctx, names, at_once] { return reload(ctx, *names, !*at_once); }; });
    add_life_commands(*group, ctx);
    auto* admit_app = group->add_subcommand("admit", "Lift the quarantine of a plugin that crashed");
    admit_app->add_option("plugin", *name, "Its id, e.g. sigrun.http")->required()->type_name("ID");
    admit_app->footer("Example: sigrun plugin admit sigrun.round_robin && sigrun plugin reload sigrun.round_robin");
    admit_app->callback([&ctx, name] { ctx.action = [&ctx, name] { return admit(ctx, *name); }; });
    add_signature_commands(*group, ctx);
    add_plugin_new_command(*group, ctx);
    add_plugin_dev_command(*group, ctx);
    add_plugin_check_command(*group, ctx);
}

}  // namespace sigrun::cli

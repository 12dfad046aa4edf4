// sigrun config reload|show|history|diff|rollback: the configuration of the daemon.
#include "kernel/app/sigrun/cell_text.hpp"
#include "kernel/app/sigrun/context.hpp"
#include "kernel/app/sigrun/table.hpp"

#include <sigrun/cpp/text.hpp>

namespace sigrun::cli {
namespace {

std::string number_text(const json::object& o, std::string_view member) {
    return std::to_string(number_or<std::uint64_t>(o, member, 0));
}

style style_of_effect(std::string_view effect) {
    if (effect == "restart") return style::caution;
    return effect == "none" ? style::faint : style::good;
}

std::string value_text(const json::object& change, std::string_view member) {
    const auto* v = change.if_contains(member);
    return v && v->is_string() ? std::string(v->get_string()) : std::string("(not set)");
}

std::string changes_table(const json::object& from, const terminal& where) {
    table t({{"key", 0, 16}, {"from", 0, 8}, {"to", 0, 8}, {"effect", column::k_whole}, {"written at", 0, 10}});
    if (const auto* changes = array_or_null(from, "changes"))
        for (const auto& item : *changes) {
            const auto* c = item.if_object();
            if (!c) continue;
            const auto key = text_or(*c, "key"), section = text_or(*c, "section"), effect = text_or(*c, "effect");
            t.add({key.empty() ? sdk::concat("[", section, "]") : sdk::concat(section, ".", key),
                   value_text(*c, "from"), value_text(*c, "to"), cell(effect, style_of_effect(effect)),
                   text_or(*c, "origin")});
        }
    return t.empty() ? std::string() : t.render(where);
}

std::string restart_text(const json::object& o) {
    std::string out;
    if (const auto* keys = array_or_null(o, "restart_needed"))
        for (const auto& key : *keys)
            if (key.is_string()) out += (out.empty() ? "" : ", ") + std::string(key.get_string());
    return out;
}

int report(context& ctx, const json::object& done) {
    if (ctx.json()) {
        context::print(json::serialize(done) + "\n");
        return k_ok;
    }
    const auto outcome = text_or(done, "outcome"), note = text_or(done, "note");
    std::string out = changes_table(done, ctx.out());
    if (outcome == "applied")
        out += "revision " + number_text(done, "revision") + " is in use";
    else if (outcome == "unchanged")
        out += "nothing has changed; revision " + number_text(done, "revision") + " is in use";
    else
        out += "this would be applied; revision " + number_text(done, "revision") + " stays in use";
    out += (note.empty() ? "" : ": " + printable(note)) + "\n";
    if (auto keys = restart_text(done); !keys.empty()) out += "waiting for a restart: " + printable(keys) + "\n";
    context::print(out);
    return k_ok;
}

int reload(context& ctx, bool dry_run) {
    return report(ctx, ctx.daemon().call_object("config.reload", {{"dry_run", dry_run}}));
}

int roll_back(context& ctx, std::uint64_t revision, bool dry_run) {
    json::object params{{"dry_run", dry_run}};
    if (revision) params["revision"] = revision;
    return report(ctx, ctx.daemon().call_object("config.rollback", std::move(params)));
}

int show(context& ctx, std::uint64_t revision) {
    json::object params;
    if (revision) params["revision"] = revision;
    const json::object r = ctx.daemon().call_object("config.show", std::move(params));
    if (ctx.json()) {
        context::print(json::serialize(r) + "\n");
        return k_ok;
    }
    std::string out = "; revision " + number_text(r, "revision") + ", " + std::string(text_or(r, "time")) + ", " +
                      std::string(text_or(r, "why")) + "\n";
    if (auto note = text_or(r, "note"); !note.empty()) out += "; " + std::string(note) + "\n";
    if (auto keys = restart_text(r); !keys.empty()) out += "; waiting for a restart: " + keys + "\n";
    if (const auto* refused = object_or_null(r, "refused")) {
        const auto* why = object_or_null(*refused, "problem");
        out += sdk::concat("; refused at ", text_or(*refused, "time"), " (", text_or(*refused, "why"),
                           "): ", why ? text_or(*why, "detail") : "", "\n");
    }
    const auto ini = text_or(r, "ini");
    out += ini.empty() ? "; everything is at its default\n" : "\n" + std::string(ini);
    // Line by line: what a file or the environment holds must not reach the terminal as it is.
    std::string safe;
    for (std::size_t at = 0; at < out.size();) {
        const auto end = out.find('\n', at);
        safe += printable(std::string_view(out).substr(at, end - at)) + "\n";
        at = end + 1;
    }
    context::print(safe);
    return k_ok;
}

int history(context& ctx) {
    const json::object all = ctx.daemon().call_object("config.history", {});
    if (ctx.json()) {
        context::print(json::serialize(all) + "\n");
        return k_ok;
    }
    table t({{"revision", column::k_right | column::k_whole},
             {"time", column::k_whole},
             {"why", column::k_whole},
             {"changes", 0, 20}});
    if (const auto* items = array_or_null(all, "items"))
        for (const auto& item : *items) {
            const auto* r = item.if_object();
            if (!r) continue;
            std::string changes(text_or(*r, "note"));
            if (const auto* lines = array_or_null(*r, "changes"))
                for (const auto& line : *lines)
                    if (line.is_string()) changes.append(changes.empty() ? "" : "; ").append(line.get_string());
            const bool current = bool_or(*r, "current", false);
            t.add({cell(number_text(*r, "revision"), current ? style::strong : style::plain), text_or(*r, "time"),
                   sdk::concat(text_or(*r, "why"), current ? " (in use)" : ""), changes});
        }
    context::print(t.empty() ? "no revision is kept\n" : t.render(ctx.out()));
    return k_ok;
}

int diff(context& ctx, std::uint64_t from, std::uint64_t to) {
    json::object params{{"from", from}};
    if (to) params["to"] = to;
    const json::object r = ctx.daemon().call_object("config.diff", std::move(params));
    if (ctx.json()) {
        context::print(json::serialize(r) + "\n");
        return k_ok;
    }
    const auto changes = changes_table(r, ctx.out());
    context::print(changes.empty() ? "no difference\n" : changes);
    return k_ok;
}

}  // namespace

void add_live_config_commands(CLI::App& group, context& ctx) {
    auto dry_run = std::make_shared<bool>(false);
    auto revision = std::make_shared<std::uint64_t>(0), other = std::make_shared<std::uint64_t>(0);
    const auto a_number = CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 32);

    auto* reload_app = group.add_subcommand("reload", "Read the files again and use them, or nothing of them");
    reload_app->add_flag("--dry-run", *dry_run, "Only show what would change, and what would take a restart");
    reload_app->footer("Example: sigrun config reload --dry-run");
    reload_app->callback([&ctx, dry_run] { ctx.action = [&ctx, dry_run] { return reload(ctx, *dry_run); }; });

    auto* show_app = group.add_subcommand("show", "The values in use, and where each was written");
    show_app->add_option("revision", *revision, "An earlier one instead")->type_name("REV")->check(a_number);
    show_app->footer("Example: sigrun config show 3");
    show_app->callback([&ctx, revision] { ctx.action = [&ctx, revision] { return show(ctx, *revision); }; });

    auto* history_app = group.add_subcommand("history", "The revisions that are kept, newest first");
    history_app->footer("Example: sigrun config history");
    history_app->callback([&ctx] { ctx.action = [&ctx] { return history(ctx); }; });

    auto* diff_app = group.add_subcommand("diff", "What is different between two revisions");
    diff_app->add_option("from", *revision, "A revision")->required()->type_name("REV")->check(a_number);
    diff_app->add_option("to", *other, "Another one; by default the one in use")->type_name("REV")->check(a_number);
    diff_app->footer("Example: sigrun config diff 3");
    diff_app->callback(
        [&ctx, revision, other] { ctx.action = [&ctx, revision, other] { return diff(ctx, *revision, *other); }; });

    auto* back_app = group.add_subcommand("rollback", "Use the files of an earlier revision; those on the disk stay");
    back_app->add_option("revision", *revision, "Which; by default the one before")->type_name("REV")->check(a_number);
    back_app->add_flag("--dry-run", *dry_run, "Only show what would change");
    back_app->footer(
        "Example: sigrun config rollback 3\nThe next reload, or a restart, uses the files on the disk again.");
    back_app->callback([&ctx, revision, dry_run] {
        ctx.action = [&ctx, revision, dry_run] { return roll_back(ctx, *revision, *dry_run); };
    });
}

}  // namespace sigrun::cli

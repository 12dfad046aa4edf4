// sigrun token create|ls|rotate|rm
#include "kernel/app/sigrun/context.hpp"
#include "kernel/app/sigrun/job_document.hpp"
#include "kernel/app/sigrun/lists.hpp"
#include "kernel/app/sigrun/table.hpp"

namespace sigrun::cli {
namespace {

struct token_choice {
    std::string name, role, expires, runners, id, tenant, overlap = "0s";
    std::vector<std::string> labels;
    bool join = false;
};

int create(context& ctx, const token_choice& what) {
    json::object document;
    if (!what.name.empty()) document["name"] = what.name;
    if (!what.role.empty()) document["role"] = what.role;
    if (what.join) document["join"] = true;
    if (!what.expires.empty()) document["expires"] = what.expires;
    if (!what.runners.empty()) document["runners"] = what.runners;
    if (!what.tenant.empty()) document["tenant"] = what.tenant;
    json::object labels = need(pairs(what.labels, "--label"));
    if (!labels.empty()) document["labels"] = std::move(labels);
    const json::object made = ctx.daemon().call_object("tokens.create", {}, json::serialize(document));
    // The token alone on stdout, so that it can be put into a file.
    context::print(ctx.json() ? json::serialize(made) + "\n" : std::string(text_or(made, "token")) + "\n");
    if (ctx.json()) return k_ok;
    if (what.join)
        ctx.note("for one runner: sigrun-runner --url URL --join TOKEN; shown this once");
    else
        ctx.note("shown this once; use it with --token, SIGRUN_TOKEN or SIGRUN_TOKEN_FILE");
    return k_ok;
}

int rotate(context& ctx, const token_choice& what) {
    const json::object made = ctx.daemon().call_object("tokens.rotate", {{"id", what.id}, {"overlap", what.overlap}});
    context::print(ctx.json() ? json::serialize(made) + "\n" : std::string(text_or(made, "token")) + "\n");
    if (ctx.json()) return k_ok;
    const auto until = text_or(made, "old_secret_until");
    ctx.note(until.empty() ? std::string("shown this once; the old text is good no more")
                           : "shown this once; the old text is good until " + std::string(until));
    return k_ok;
}

int list_tokens(context& ctx) {
    const json::object all = list_all(ctx, "tokens.list", {});
    if (ctx.json()) {
        context::print(json::serialize(all) + "\n");
        return k_ok;
    }
    table out({{"ID", column::k_whole},
               {"KIND"},
               {"NAME"},
               {"ROLE"},
               {"TENANT", column::k_optional},
               {"RUNNERS", column::k_optional},
               {"EXPIRES"}});
    for (const auto& item : all.at("items").as_array()) {
        const auto& o = item.as_object();
        const auto text = [&o](std::string_view key) { return std::string(text_or(o, key)); };
        const auto expires = text("expires");
        out.add({text("id"), text("kind"), text("name"), text("role"), text("tenant"), text("runners"),
                 expires.empty() ? "never" : expires});
    }
    context::print(out.empty() ? "no tokens and no joined runners\n" : out.render(ctx.out()));
    return k_ok;
}

int remove(context& ctx, const token_choice& what) {
    const json::object gone = ctx.daemon().call_object("tokens.remove", {{"id", what.id}});
    context::print(ctx.json()
                       ? json::serialize(gone) + "\n"
                       : std::string(text_or(gone, "kind")) + " " + std::string(text_or(gone, "id")) + " is removed\n");
    return k_ok;
}

}  // namespace

void add_token_commands(CLI::App& app, context& ctx) {
    auto what = std::make_shared<token_choice>();
    auto* group = app.add_subcommand("token", "Who may call: tokens, join tokens, joined runners");
    group->require_subcommand(1);
    group->footer(
        "Examples:\n"
        "  sigrun token create ci --role submitter --expires 90d\n"
        "  sigrun token create --join --runners 'build-*' --expires 1h > join.token");

    auto* make = group->add_subcommand("create", "Make a token; its text is shown this once");
    make->add_option("name", what->name, "What it is for")->type_name("NAME");
    make->add_option("--role", what->role, "What it allows")
        ->check(CLI::IsMember({"reader", "submitter", "operator", "runner", "admin"}));
    make->add_option("--tenant", what->tenant, "Bound to the jobs of this tenant: no other one's are submitted or seen")
        ->type_name("NAME");
    make->add_flag("--join", what->join, "For one runner to join with, once");
    make->add_option("--expires", what->expires, "Life time (default: 24h with --join, else for ever)")
        ->type_name("DURATION");
    make->add_option("--runners", what->runners, "Names that may register with it, with * for any characters")
        ->type_name("PATTERN");
    make->add_option("-l,--label", what->labels, "Label that a joining runner must have; may be repeated")
        ->type_name("NAME=VALUE")
        ->allow_extra_args(false);
    make->footer("Example: sigrun token create ci --role submitter");
    make->callback([&ctx, what] { ctx.action = [&ctx, what] { return create(ctx, *what); }; });

    auto* ls = group->add_subcommand("ls", "List tokens and joined runners, without their secrets");
    ls->footer("Example: sigrun token ls");
    ls->callback([&ctx] { ctx.action = [&ctx] { return list_tokens(ctx); }; });

    auto* turn =
        group->add_subcommand("rotate", "Give a token a new text, shown this once; its id, role and life stay");
    turn->add_option("token", what->id, "Id or name")->required()->type_name("TOKEN");
    turn->add_option("--overlap", what->overlap, "How long the old text stays good, at most 30d")
        ->type_name("DURATION")
        ->capture_default_str();
    turn->footer("Example: sigrun token rotate ci --overlap 1h");
    turn->callback([&ctx, what] { ctx.action = [&ctx, what] { return rotate(ctx, *what); }; });

    auto* rm = group->add_subcommand("rm", "Take a token, or a runner's identity, back");
    rm->add_option("token", what->id, "Id or name")->required()->type_name("TOKEN");
    rm->footer("Example: sigrun token rm ci");
    rm->callback([&ctx, what] { ctx.action = [&ctx, what] { return remove(ctx, *what); }; });
}

}  // namespace sigrun::cli

// sigrun backup: a copy of the daemon's database while it works.
#include "kernel/app/sigrun/cell_text.hpp"
#include "kernel/app/sigrun/context.hpp"
#include "kernel/app/sigrun/units.hpp"

#include <sigrun/cpp/text.hpp>

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <mutex>

namespace sigrun::cli {
namespace {

using std::chrono::steady_clock;

/// The call under way; its callbacks run on plugin threads, and may do so after the command has given up.
struct pending {
    std::mutex mutex;
    bool ended = false;
    json::object answer;
    std::optional<problem> why;
};

// One line that is written over again; nothing where nobody looks on.
void show_progress(double done) {
    if (!::isatty(STDERR_FILENO)) return;
    std::fprintf(stderr, "\r%3.0f %% copied", 100 * done);
    std::fflush(stderr);
}

std::shared_ptr<pending> begin(client& daemon, const std::string& path) {
    auto call = std::make_shared<pending>();
    waiter* waits = &daemon.waits();
    const auto params = json::serialize(json::object{{"path", path}});
    auto replies = [call](const reply_view& reply) {
        std::lock_guard lock(call->mutex);
        if (reply.error)
            call->why = problem::from_json(reply.json);
        else if (auto o = parse_object(reply.json))
            call->answer = std::move(*o);
        return SIGRUN_OK;
    };
    auto done = [call, waits](const result<void>& how) {
        {
            std::lock_guard lock(call->mutex);
            if (!how && !call->why) call->why = how.error();
            call->ended = true;
        }
        waits->wake();
    };
    daemon.start("store.backup", params, {}, std::move(replies), std::move(done));
    return call;
}

int backup(context& ctx, const std::string& file) {
    constexpr auto k_look_every = std::chrono::milliseconds(250);
    std::error_code ec;
    const auto path = std::filesystem::absolute(file, ec).lexically_normal().string();
    client& daemon = ctx.daemon();
    const auto call = begin(daemon, path);
    bool shown = false;
    for (;;) {
        {
            std::lock_guard lock(call->mutex);
            if (call->ended) break;
        }
        if (ctx.waits().wait_until(steady_clock::now() + k_look_every) == waiter::outcome::interrupted) {
            ctx.hang_up();
            throw failure(make_problem(errc::cancelled, "interrupted; the daemon goes on with the copy"), {},
                          failure::source::interrupt);
        }
        std::unique_lock lock(call->mutex);
        if (call->ended) break;
        lock.unlock();
        const auto now = daemon.call_object("store.backup_progress", {});
        if (const auto* part = now.if_contains("done"); part && part->is_number() && bool_or(now, "under_way", false)) {
            show_progress(part->to_number<double>());
            shown = true;
        }
    }
    if (shown && ::isatty(STDERR_FILENO)) std::fputs("\r              \r", stderr);
    if (call->why)
        throw failure(*call->why, call->why->code == errc::conflict ? "name a file that is not there yet" : "");
    if (ctx.json())
        context::print(json::serialize(call->answer) + "\n");
    else
        context::print(sdk::concat(printable(text_or(call->answer, "path")), ": ",
                                   fact_text("copy_bytes", call->answer["bytes"]), "\n"));
    return k_ok;
}

}  // namespace

void add_backup_command(CLI::App& app, context& ctx) {
    auto file = std::make_shared<std::string>();
    auto* sub = app.add_subcommand("backup", "Copy the daemon's database to a new file, while it works");
    sub->add_option("file", *file, "A path on the daemon's machine; nothing there is overwritten")
        ->required()
        ->type_name("FILE");
    sub->footer(
        "Examples:\n"
        "  sigrun backup /backup/sigrun-monday.db\n"
        "  sigrun backup /backup/sigrun-monday.db --output json\n"
        "The copy has the jobs, runners and keys of one moment, and is whole once the command ends. To restore: make "
        "a\n"
        "folder, put the copy there as sigrun.db, and start sigrund with --state-dir FOLDER. The output of jobs "
        "(logs/),\n"
        "tokens and controller-id are files of the state directory, and are copied as such.");
    sub->callback([&ctx, file] { ctx.action = [&ctx, file] { return backup(ctx, *file); }; });
}

}  // namespace sigrun::cli

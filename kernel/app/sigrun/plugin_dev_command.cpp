// sigrun plugin dev FILE: an author's loop. Sources change -> build -> the new file is checked -> it replaces the old one in a
// running daemon -> what happened, and the plugin's log lines, are printed.
#include "kernel/app/sigrun/child_program.hpp"
#include "kernel/app/sigrun/context.hpp"
#include "kernel/app/sigrun/dev_daemon.hpp"
#include "kernel/app/sigrun/source_watch.hpp"
#include "kernel/guard/ed25519.hpp"
#include "kernel/plugin/elf_gate.hpp"
#include "kernel/plugin/stage.hpp"

#include <sigrun/cpp/text.hpp>

#include <sys/wait.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace sigrun::cli {
namespace {

namespace fs = std::filesystem;
constexpr std::chrono::milliseconds k_look_again{250};

struct dev_options {
    std::string file, build;
    std::vector<std::string> watch, settings;
};

/// "probes" if the file lies in a folder of that name, else nothing: the plugin folder itself will do.
std::string kind_folder(const fs::path& file) {
    static const std::vector<std::string> known{"protocols", "balancers", "probes",
                                                "executors", "stores",    "extensions"};
    const std::string parent = fs::absolute(file).parent_path().filename().string();
    return std::find(known.begin(), known.end(), parent) == known.end() ? "" : parent;
}

class dev_loop {
public:
    dev_loop(context& ctx, const dev_options& what) : ctx_(ctx), what_(what) {}

    /// Until Ctrl-C, which is the ordinary end at whatever moment it comes.
    int run() {
        try {
            watch();
        } catch (const failure& f) {
            if (f.from() != failure::source::interrupt) throw;
        }
        say("done");
        return k_ok;
    }

private:
    void watch() {
        ctx_.waits();                       // before any thread: they inherit the blocked signals
        source_watch sources(what_.watch);  // before the build: what changes meanwhile is not in it
        if (!what_.build.empty() && !build()) say("waiting for the next change");
        // With no daemon named it gets one of its own.
        const bool theirs = !ctx_.options.url.empty() || !ctx_.around.variable("SIGRUN_URL").empty();
        source_watch file({what_.file});
        if (fs::exists(what_.file)) load_first(theirs);
        for (;;) {
            const auto woken = ctx_.waits().wait_until(std::chrono::steady_clock::now() + k_look_again);
            if (woken == waiter::outcome::interrupted) return;
            if (private_ && private_->died()) {
                say("a program of the private daemon has ended; starting it again");
                private_->restart();
            }
            if (!what_.build.empty() && sources.changed()) build();
            if (!file.changed() || !fs::exists(what_.file)) continue;
            if (id_.empty())
                load_first(theirs);
            else
                replace();
        }
    }

    void say(std::string_view text) { context::print("dev | " + std::string(text) + "\n"); }

    bool build() {
        say("building: " + what_.build);
        auto show = [](std::string_view line) {
            try {
                context::print("build | " + std::string(line) + "\n");
            } catch (const reader_gone&) {
                // On the reader's thread; the main one meets it as well, and ends.
            } catch (const std::exception&) {
            }
        };
        auto made = need(child_program::start({"/bin/sh", "-c", what_.build}, show));
        while (!made->ended())
            if (ctx_.waits().wait_until(std::chrono::steady_clock::now() + std::chrono::milliseconds(20)) ==
                waiter::outcome::interrupted)
                throw failure(make_problem(errc::cancelled, "interrupted"), {}, failure::source::interrupt);
        const int status = *made->ended();
        made->stop();  // its last lines come before ours
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
        say("the build failed; what runs goes on");
        return false;
    }

    /// Reads and checks the file; what is wrong is said, and nothing else happens.
    bool read_file(std::string& bytes, plugin_identity& identity) {
        auto read = read_plugin_file(what_.file);
        if (!read) return say("not loaded: " + read.error().text()), false;
        auto checked = inspect_plugin(*read);
        if (!checked) return say("not loaded: " + checked.error().text()), false;
        bytes = std::move(*read);
        identity = std::move(*checked);
        return true;
    }

    void load_first(bool theirs) {
        std::string bytes;
        plugin_identity identity;
        if (!read_file(bytes, identity)) return;
        id_ = identity.id;
        if (!theirs) {
            private_ = std::make_unique<dev_daemon>(ctx_, ctx_.plugins(), what_.settings);
            private_->show_lines_of({id_, fs::path(what_.file).stem().string()});
            target_ = fs::path(private_->plugin_dir()) / kind_folder(what_.file) / fs::path(what_.file).filename();
            put(bytes);
            private_->restart();  // it is there from the start now, whatever its kind
            say("private daemon: " + private_->url() + " (SIGRUN_URL=" + private_->url() + " sigrun plugin ls)");
            tell_state(bytes);
            return;
        }
        target_ = where_it_runs();
        put(bytes);
        reload(bytes);
    }

    void replace() {
        std::string bytes;
        plugin_identity identity;
        if (!read_file(bytes, identity)) return;
        if (identity.id != id_) return say("not loaded: it calls itself " + identity.id + " now, and was " + id_);
        put(bytes);
        reload(bytes);
    }

    /// The file of the running plugin, or the place for a new one beside the others.
    fs::path where_it_runs() {
        const auto all = ctx_.daemon().call_object("plugins.list", {});
        fs::path folder;
        if (const auto* items = array_or_null(all, "items"))
            for (const auto& item : *items) {
                const auto* plugin = item.if_object();
                if (!plugin) continue;
                const fs::path file = std::string(text_or(*plugin, "file"));
                if (text_or(*plugin, "id") == id_) return file;
                if (folder.empty() && !kind_folder(file).empty()) folder = file.parent_path().parent_path();
            }
        if (folder.empty())
            throw failure(make_problem(errc::unavailable, "the daemon does not say where its plugins are"));
        return folder / kind_folder(what_.file) / fs::path(what_.file).filename();
    }

    /// Under a hidden name, then renamed: nobody ever sees half a file.
    void put(const std::string& bytes) {
        std::error_code ec;
        fs::create_directories(target_.parent_path(), ec);
        const fs::path hidden = target_.parent_path() / ("." + target_.filename().string() + ".dev");
        {
            std::ofstream out(hidden, std::ios::binary | std::ios::trunc);
            out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
            if (!out.flush()) throw failure(make_problem(errc::io, "cannot write " + hidden.string()));
        }
        fs::permissions(hidden, fs::perms::owner_all | fs::perms::group_read | fs::perms::group_exec, ec);
        fs::rename(hidden, target_, ec);
        if (ec) throw failure(make_problem(errc::io, "cannot rename to " + target_.string() + ": " + ec.message()));
    }

    void reload(const std::string& bytes) {
        std::string refusal;
        try {
            ctx_.daemon().call_object("plugins.reload", {{"id", id_}});
        } catch (const failure& f) {
            if (f.from() == failure::source::interrupt) throw;
            refusal = f.what();
            if (private_ && f.what_happened().code == errc::unsupported) {
                say("cannot be replaced while the daemon runs (" + refusal + "); restarting it");
                refusal.clear();
                private_->restart();
            }
        }
        tell_state(bytes, refusal);
    }

    /// What the daemon says of the plugin; empty while it does not know it.
    json::object state_now() {
        try {
            return ctx_.daemon().call_object("plugins.get", {{"id", id_}});
        } catch (const failure& f) {
            if (f.from() == failure::source::interrupt) throw;
            return {};
        }
    }

    /// What the daemon says runs now, which is what counts. A daemon that follows its folder may be at it just now.
    void tell_state(const std::string& bytes, const std::string& refusal = {}) {
        const auto sha256 = sha256_hex(bytes);
        auto plugin = state_now();
        const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(private_ ? 0 : 10);
        while (text_or(plugin, "sha256") != sha256 && std::chrono::steady_clock::now() < patience) {
            if (ctx_.waits().wait_until(std::chrono::steady_clock::now() + k_look_again) ==
                waiter::outcome::interrupted)
                throw failure(make_problem(errc::cancelled, "interrupted"), {}, failure::source::interrupt);
            plugin = state_now();
        }
        if (!refusal.empty() && text_or(plugin, "sha256") != sha256) say("refused: " + refusal);
        if (plugin.empty()) return say("the daemon does not have " + id_ + "; does it follow its plugin folder?");
        std::vector<std::string> names{id_, fs::path(what_.file).stem().string()};
        bool on_runners = false;
        if (const auto* components = array_or_null(plugin, "components"))
            for (const auto& item : *components) {
                const auto* component = item.if_object();
                if (!component) continue;
                on_runners = on_runners || text_or(*component, "kind") == "sigrun.executor/1";
                if (const auto* instances = array_or_null(*component, "instances"))
                    for (const auto& name : *instances)
                        if (name.is_string()) names.emplace_back(name.get_string());
            }
        if (private_) private_->show_lines_of(std::move(names));
        const bool same = text_or(plugin, "sha256") == sha256;
        const std::string now =
            sdk::concat(id_, " ", text_or(plugin, "version"), ", generation ",
                        number_or<std::uint64_t>(plugin, "generation", 0), ", ", text_or(plugin, "state"));
        const auto reason = text_or(plugin, "reason");
        say((same ? "runs: " : "still runs the older one: ") + now +
            (reason.empty() ? "" : sdk::concat(" (", reason, ")")));
        if (private_ && on_runners && same) {
            private_->restart_runner();
            say("its runner was started again, for the executor");
        }
    }

    context& ctx_;
    const dev_options& what_;
    std::string id_;
    fs::path target_;
    std::unique_ptr<dev_daemon> private_;
};

}  // namespace

void add_plugin_dev_command(CLI::App& group, context& ctx) {
    auto what = std::make_shared<dev_options>();
    auto* app = group.add_subcommand("dev", "Build, load and watch a plugin while you write it, until Ctrl-C");
    app->add_option("file", what->file, "The built plugin")->required()->type_name("FILE.so");
    app->add_option("--build", what->build, "Command that builds it, run by the shell at start and after each change")
        ->type_name("CMD");
    app->add_option("--watch", what->watch, "Folder with its sources (repeatable; default: this folder, with --build)")
        ->type_name("DIR");
    app->add_option("--set", what->settings, "Setting of the private daemon: section.key=value (repeatable)")
        ->type_name("S.K=V");
    app->footer(
        "Without --url and SIGRUN_URL it starts a daemon and a runner of its own in a temporary folder, and shows the "
        "plugin's "
        "log lines. With one it replaces the plugin there; that daemon must be on this machine.\n"
        "Example: sigrun plugin dev build/plugins/probes/mine.so --build 'cmake --build build'");
    app->callback([&ctx, what] {
        if (!what->build.empty() && what->watch.empty()) what->watch.emplace_back(".");
        ctx.action = [&ctx, what] { return dev_loop(ctx, *what).run(); };
    });
}

}  // namespace sigrun::cli

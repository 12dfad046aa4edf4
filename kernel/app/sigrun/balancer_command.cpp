// sigrun balancer record|replay: what a balancer of a daemon was asked and answered, and whether it would again.
#include "kernel/app/sigrun/cell_text.hpp"
#include "kernel/app/sigrun/context.hpp"
#include "kernel/app/sigrun/loaded_plugins.hpp"
#include "kernel/base/quantity.hpp"
#include "kernel/guard/private_file.hpp"
#include "kernel/select/recording/replay.hpp"

#include <algorithm>

namespace sigrun::cli {
namespace {

constexpr std::size_t k_largest_recording = 1u << 30;
constexpr nanoseconds k_look_every = std::chrono::milliseconds(100);

struct record_flags {
    std::string balancer, within = "10s", out;
    std::uint32_t picks = 1000;
};

/// Until so many picks are there, the time is up, or the user has had enough.
void wait_until_full(context& ctx, nanoseconds within) {
    const auto end = std::chrono::steady_clock::now() + within;
    for (auto now = std::chrono::steady_clock::now(); now < end; now = std::chrono::steady_clock::now()) {
        if (bool_or(ctx.daemon().call_object("balancers.recording", {}), "full", false)) return;
        if (ctx.waits().wait_until(std::min(end, now + k_look_every)) == waiter::outcome::interrupted) return;
    }
}

int record(context& ctx, const record_flags& flags) {
    const auto within = need(parse_duration(flags.within), "e.g. --within 30s");
    json::object what{{"picks", flags.picks}};
    if (!flags.balancer.empty()) what["balancer"] = flags.balancer;
    ctx.daemon().call_object("balancers.record", what);
    wait_until_full(ctx, within);
    std::string bytes;
    const auto state =
        need(parse_object(ctx.daemon().call("balancers.recording", {{"end", true}}, {}, nanoseconds(0), &bytes)));
    need(write_whole_file(flags.out, bytes, 0600));
    const auto picks = number_or<std::uint64_t>(state, "picks", 0);
    if (ctx.json())
        context::print(json::serialize(json::object{{"file", flags.out}, {"picks", picks}, {"bytes", bytes.size()}}) +
                       "\n");
    else
        context::print(std::to_string(picks) + " picks, " + std::to_string(bytes.size()) + " bytes in " +
                       printable(flags.out) + "\n");
    return picks ? k_ok : k_timed_out;
}

/// The settings under which the balancer of the recording is made again, as the instance "replay".
settings settings_for(const picks::header& who) {
    std::string ini = "[instance replay]\ncomponent = " + who.plugin + ":" + who.component + "\n";
    for (const auto& [key, value] : who.options) {
        if (value.find('\n') != std::string::npos || value.empty()) continue;
        ini += key + " = " + value + "\n";
    }
    return need(settings::parse(ini, "the recording"));
}

std::string slots_of(const sigrun_pick& p) {
    std::string out;
    for (unsigned i = 0; i < std::min<unsigned>(p.n, 4); ++i) out += (i ? " " : "") + std::to_string(p.slot[i]);
    return out.empty() ? "none" : out;
}

int replay(context& ctx, const std::string& file) {
    const std::string all = need(read_file(file, k_largest_recording));
    std::string_view bytes = all;
    const picks::header who = need(picks::read_header(bytes));
    loaded_plugins plugins(ctx.plugins(), {SIGRUN_KIND_BALANCER}, settings_for(who), true);
    plugins.load();
    plugins.start();
    const auto by = plugins.host().find(SIGRUN_KIND_BALANCER, "replay");
    if (!by)
        throw failure(problem{errc::not_found, "the balancer of the recording is not here", "recording.component",
                              "a plugin with it in " + ctx.plugins(), who.component},
                      plugins.refused());
    const auto report = need(picks::replay(who, bytes, by->table<sigrun_balancer>(SIGRUN_KIND_BALANCER), by->abi()));
    const bool equal = report.equal == report.picks;
    if (ctx.json()) {
        context::print(json::serialize(json::object{{"balancer", who.balancer},
                                                    {"picks", report.picks},
                                                    {"equal", report.equal},
                                                    {"first_difference", report.first ? json::value(report.first->pick)
                                                                                      : json::value(nullptr)}}) +
                       "\n");
    } else {
        std::string text = std::to_string(report.picks) + " picks of " + printable(who.balancer) + ": " +
                           (equal ? "all the same again" : std::to_string(report.equal) + " the same again");
        if (report.first)
            text += "; pick " + std::to_string(report.first->pick + 1) + " was slot " + slots_of(report.first->then) +
                    ", now " + slots_of(report.first->now);
        context::print(text + "\n");
    }
    return equal ? k_ok : k_failed;
}

}  // namespace

void add_balancer_commands(CLI::App& app, context& ctx) {
    auto* group = app.add_subcommand("balancer", "Decisions of the balancers: record them, replay them");
    group->require_subcommand(1);
    auto flags = std::make_shared<record_flags>();
    auto* recording =
        group->add_subcommand("record", "Record what one thread of the daemon asks a balancer, and the answers");
    recording->add_option("balancer", flags->balancer, "Which one (default: the daemon's default)");
    recording->add_option("--picks", flags->picks, "So many")->check(CLI::Range(1, 1'000'000))->capture_default_str();
    recording->add_option("--within", flags->within, "Stop after this long, too")->capture_default_str();
    recording->add_option("--out", flags->out, "File to write")->required();
    recording->footer("Example: sigrun balancer record --picks 500 --out monday.picks");
    recording->callback([&ctx, flags] { ctx.action = [&ctx, flags] { return record(ctx, *flags); }; });
    auto file = std::make_shared<std::string>();
    auto* again =
        group->add_subcommand("replay", "Ask the balancer of a recording again, and compare; needs no daemon");
    again->add_option("file", *file, "From `sigrun balancer record`")->required();
    again->footer("Example: sigrun balancer replay monday.picks");
    again->callback([&ctx, file] { ctx.action = [&ctx, file] { return replay(ctx, *file); }; });
}

}  // namespace sigrun::cli

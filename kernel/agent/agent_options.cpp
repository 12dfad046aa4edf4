#include "kernel/agent/agent_options.hpp"

#include "kernel/guard/private_file.hpp"
#include "kernel/net/url_security.hpp"

#include <sigrun/cpp/options.hpp>

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace sigrun {
namespace {

using sdk::option;

constexpr double k_hour_ns = 3600e9;
constexpr std::size_t k_max_name = 64;
constexpr std::size_t k_max_join = 4096;
constexpr std::size_t k_max_label_value = 256;

constexpr sigrun_opt k_table[] = {
    option("name", SIGRUN_OPT_STRING, {.doc = "Name in the fleet, unique; by default the host name."}),
    option("url", SIGRUN_OPT_LIST,
           {.doc = "Controllers to dial. One: the best protocol that works is used, beginning with the one written. "
                   "Several: each is kept connected, exactly as written. Default valkyrie://127.0.0.1:7070."}),
    option(
        "join", SIGRUN_OPT_SECRET,
        {.doc =
             "Token for the controllers: a join token, which is needed once, or one of role runner. Not sent to other "
             "machines without encryption."}),
    option("join_file", SIGRUN_OPT_PATH, {.doc = "File with that token; one that is gone later is no harm."}),
    option("listen", SIGRUN_OPT_LIST,
           {.doc = "Addresses to wait at for the controller, e.g. 0.0.0.0:7071; then no controller is dialled unless "
                   "url is set too."}),
    option(
        "controller_token", SIGRUN_OPT_SECRET,
        {.doc =
             "Token that a controller shows who dials this runner (`sigrun runner add --option token=...`); others are "
             "refused. A certificate that [tls] client_ca vouches for does as well."}),
    option("controller_token_file", SIGRUN_OPT_PATH, {.doc = "File with that token."}),
    option(
        "controllers", SIGRUN_OPT_LIST,
        {.doc = "Names in certificates of the controllers that may dial this runner; by default every one that [tls] "
                "client_ca vouches for."}),
    option("protocols", SIGRUN_OPT_LIST,
           {.doc = "Protocols to use, best first, also of those who dial here; by default all that are loaded."}),
    option("slots", SIGRUN_OPT_INT,
           {.def = "0", .doc = "Jobs at once; 0 = the effective cores, rounded up.", .min = 0, .max = 65535}),
    option("labels", SIGRUN_OPT_LIST,
           {.doc = "NAME=VALUE pairs that requirements see as label.NAME; a comma in a value is written \\,."}),
    option("state_dir", SIGRUN_OPT_PATH,
           {.doc = "Where the runner keeps its key; by default /var/lib/sigrun/runner/NAME for root, else below "
                   "~/.local/state."}),
    option("workspace_dir", SIGRUN_OPT_PATH,
           {.doc = "Where jobs get their directories; by default STATE_DIR/workspaces."}),
    option("min_free_disk", SIGRUN_OPT_SIZE,
           {.def = "64MiB",
            .doc = "With less free space below workspace_dir, offers are refused.",
            .min = 0,
            .max = 1e18}),
    option("min_free_inodes", SIGRUN_OPT_INT,
           {.def = "64", .doc = "With fewer free inodes there, offers are refused.", .min = 0, .max = 4294967295.0}),
    option("min_free_memory", SIGRUN_OPT_SIZE,
           {.def = "32MiB",
            .doc = "With less memory available, also within the runner's cgroup, offers are refused.",
            .min = 0,
            .max = 1e18}),
    option("max_load", SIGRUN_OPT_FLOAT,
           {.def = "100",
            .doc = "With a higher load of the last minute per processor, offers are refused; 0 = any load will do.",
            .min = 0,
            .max = 10000}),
    option("max_clock_skew", SIGRUN_OPT_DURATION,
           {.def = "30s",
            .doc = "While the clock differs from the controller's by more, offers are refused; 0s = it may.",
            .min = 0,
            .max = 24 * k_hour_ns}),
    option(
        "on_stop", SIGRUN_OPT_CHOICE,
        {.def = "drain",
         .doc =
             "What SIGTERM does: drain lets running jobs finish within drain_timeout; keep leaves them running for the "
             "next start on this state_dir, which has the executor's orphan_grace to come. SIGUSR2 always does the "
             "latter.",
         .choices = "drain,keep"}),
    option("drain_timeout", SIGRUN_OPT_DURATION,
           {.def = "60s", .doc = "How long running jobs may go on after SIGTERM.", .min = 0, .max = 24 * k_hour_ns}),
    option("kill_grace", SIGRUN_OPT_DURATION,
           {.def = "10s",
            .doc = "Time between TERM and KILL for jobs that are ended by a drain or a stale lease.",
            .min = 0,
            .max = k_hour_ns}),
    option("facts_interval", SIGRUN_OPT_DURATION,
           {.def = "30s",
            .doc = "How often the runner reads facts that are past their time; of many changes events tell at once.",
            .min = 1e9,
            .max = k_hour_ns}),
    option("facts_patience", SIGRUN_OPT_DURATION,
           {.def = "20ms",
            .doc = "How long a start waits for probes. What they say later is told then; until then it is unknown, and "
                   "jobs that "
                   "ask for it wait.",
            .min = 0,
            .max = 60e9}),
    option("benchmark", SIGRUN_OPT_BOOL,
           {.def = "yes",
            .doc = "Measure this machine (perf.*, tier.*) when it has been idle for a facts_interval: at most 3 s, "
                   "once a day or "
                   "after its limits changed; a job that comes ends it."}),
    option("rung_retry", SIGRUN_OPT_DURATION,
           {.def = "30s",
            .doc = "How often a better protocol is tried again after a fallback.",
            .min = 1e9,
            .max = k_hour_ns}),
    option("plugin_dir", SIGRUN_OPT_PATH, {.doc = "Folder of the plugins; by default beside the program."}),
    option("plugin_watch", SIGRUN_OPT_BOOL,
           {.def = "yes", .doc = "Follow the plugin folder: new and changed files are taken into use by themselves."}),
    option("plugin_probation", SIGRUN_OPT_DURATION,
           {.def = "60s",
            .doc = "How long a replaced version is kept warm, to have the work back if the new one is in trouble; 0s = "
                   "not.",
            .min = 0,
            .max = k_hour_ns}),
    option("log_level", SIGRUN_OPT_CHOICE,
           {.def = "info", .doc = "How much is logged.", .choices = "error,warning,info,debug,trace"}),
    option("log_file", SIGRUN_OPT_PATH, {.doc = "Where the log goes; by default standard error."}),
};

std::string host_name() {
    char room[256] = {};
    if (::gethostname(room, sizeof room - 1) != 0 || !room[0]) return "runner";
    std::string name(room);
    for (char& c : name)
        if (!std::isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '_' && c != '-') c = '-';
    return name.substr(0, k_max_name);
}

bool valid_name(std::string_view name) {
    return !name.empty() && name.size() <= k_max_name && std::all_of(name.begin(), name.end(), [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
    });
}

std::string default_state_dir(const std::string& name) {
    if (::geteuid() == 0) return "/var/lib/sigrun/runner/" + name;
    if (const char* state = std::getenv("XDG_STATE_HOME"); state && *state)
        return std::string(state) + "/sigrun/runner/" + name;
    const char* home = std::getenv("HOME");
    return std::string(home && *home ? home : ".") + "/.local/state/sigrun/runner/" + name;
}

}  // namespace

std::span<const sigrun_opt> agent_option_table() noexcept { return k_table; }

result<label_map> parse_labels(const std::vector<std::string>& items) {
    label_map labels;
    for (const auto& item : items) {
        auto equals = item.find('=');
        std::string name = item.substr(0, equals);
        bool good =
            equals != std::string::npos && !name.empty() && name.size() <= 128 &&
            item.size() - equals - 1 <= k_max_label_value && std::all_of(name.begin(), name.end(), [](char c) {
                return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' || c == '.' || c == '/';
            });
        if (!good) return bad_value("labels", "NAME=VALUE, e.g. zone=eu", "\"" + item + "\"");
        if (!labels.emplace(name, item.substr(equals + 1)).second)
            return bad_value("labels", "each name once", "\"" + name + "\" twice");
    }
    return labels;
}

namespace {

/// A token, from the option or its file.
result<std::string> read_token(const bound_section& section, const std::string& option) {
    if (section.has(option) && !section.text(option).empty()) return section.text(option);
    if (!section.has(option + "_file")) return std::string();
    auto text = read_file(section.text(option + "_file"), k_max_join);
    // One to join with that is gone is none: the runner has joined with it before.
    if (!text && option == "join" && text.error().code == errc::not_found) return std::string();
    if (!text) return text;
    while (!text->empty() && (text->back() == '\n' || text->back() == '\r' || text->back() == ' ')) text->pop_back();
    return text;
}

}  // namespace

result<agent_options> read_agent_options(const bound_section& section) {
    agent_options o;
    o.name = section.has("name") ? section.text("name") : host_name();
    if (!valid_name(o.name))
        return bad_value("name", "1 to 64 letters, digits, dots, dashes or underscores", "\"" + o.name + "\"");
    if (section.has("url")) o.urls = section.list("url");
    if (section.has("listen")) o.listen = section.list("listen");
    if (o.urls.empty() && o.listen.empty()) o.urls = {"valkyrie://127.0.0.1:7070"};
    if (section.has("protocols")) o.protocols = section.list("protocols");
    SIGRUN_TRY(join, read_token(section, "join"));
    o.join = join;
    SIGRUN_TRY(controller_token, read_token(section, "controller_token"));
    o.controller_token = controller_token;
    if (section.has("controller_token_file") && o.controller_token.empty())
        return bad_value("controller_token_file", "a token in it", "nothing");
    if (section.has("controllers")) o.controllers = section.list("controllers");
    for (const auto& url : o.urls)
        if (!o.join.empty() && !may_carry_secrets(url))
            return problem{errc::forbidden, "the join token could be read on the way", "join",
                           "an encrypted url such as valkyrie+tls://HOST:PORT", url};
    o.slots = static_cast<std::uint32_t>(section.integer("slots"));
    if (section.has("labels")) {
        SIGRUN_TRY(labels, parse_labels(section.list("labels")));
        o.labels = labels;
    }
    o.state_dir = section.has("state_dir") ? section.text("state_dir") : default_state_dir(o.name);
    o.workspace_dir = section.has("workspace_dir") ? section.text("workspace_dir") : o.state_dir + "/workspaces";
    o.needs.min_free_disk = static_cast<std::uint64_t>(section.integer("min_free_disk"));
    o.needs.min_free_inodes = static_cast<std::uint64_t>(section.integer("min_free_inodes"));
    o.needs.min_free_memory = static_cast<std::uint64_t>(section.integer("min_free_memory"));
    o.needs.max_load = section.real("max_load");
    o.max_clock_skew = nanoseconds(section.integer("max_clock_skew"));
    o.keep_on_stop = section.text("on_stop") == "keep";
    o.drain_timeout = nanoseconds(section.integer("drain_timeout"));
    o.kill_grace = nanoseconds(section.integer("kill_grace"));
    o.facts_interval = nanoseconds(section.integer("facts_interval"));
    o.facts_patience = nanoseconds(section.integer("facts_patience"));
    o.benchmark = section.boolean("benchmark");
    o.rung_retry = nanoseconds(section.integer("rung_retry"));
    o.plugin_watch = section.boolean("plugin_watch");
    o.plugin_probation = nanoseconds(section.integer("plugin_probation"));
    return o;
}

}  // namespace sigrun

#include "runner_program.hpp"

#include "controller_guard.hpp"
#include "kernel/agent/agent.hpp"
#include "kernel/agent/plugin_sweep.hpp"
#include "kernel/agent/reception.hpp"
#include "kernel/capability/detector.hpp"
#include "kernel/capability/events/change_watch.hpp"
#include "kernel/capability/events/machine_changes.hpp"
#include "kernel/guard/crash_reporter.hpp"
#include "kernel/log/loggers.hpp"
#include "kernel/net/net_options.hpp"
#include "kernel/net/tls_server.hpp"
#include "kernel/plugin/host_threads.hpp"
#include "kernel/serve/listener.hpp"
#include "protocol_part.hpp"

#include <sigrun/executor.h>
#include <sigrun/probe.h>

#include <algorithm>
#include <optional>

namespace sigrun {
namespace {

plugin_host_options host_options(const runner_program_options& o) {
    plugin_host_options host;
    host.plugin_dir = o.plugin_dir;
    host.state_dir = o.agent.state_dir;
    host.program = "sigrun-runner";
    host.trial_program = "/proc/self/exe";
    host.probation = o.agent.plugin_probation;
    host.remember = true;
    host.signature = o.signature;
    host.trust_dir = o.trust_dir;
    host.kinds = {SIGRUN_KIND_PROTOCOL, SIGRUN_KIND_EXECUTOR, SIGRUN_KIND_PROBE};
    return host;
}

controller_rules rules_of(const runner_program_options& o) {
    return {o.agent.controller_token, o.tls->text("client_auth") != "none", o.agent.controllers};
}

bool is_of_this_machine(const std::string& address) {
    return address.starts_with("127.") || address.starts_with("[::1]") || address.starts_with("localhost:") ||
           address.starts_with("unix:");
}

}  // namespace

// Declared in the order of their lives: what stands below uses what stands above.
struct runner_program::impl {
    explicit impl(runner_program_options o)
        : options(std::move(o)),
          host(host_options(options), options.config, numbers),
          reception(host),
          guard(reception, who, rules_of(options)) {}

    runner_program_options options;
    std::optional<state_lock> lock;
    metrics numbers;
    plugin_host host;
    class reception reception;
    token_store no_tokens{clock::system()};
    gate who{no_tokens, numbers};  // keeps whose certificate a connection has shown
    controller_guard guard;
    std::unique_ptr<tls_server> encryption;
    std::unique_ptr<detector> facts;
    std::shared_ptr<agent> runner;
    std::unique_ptr<change_watch> changes;
    std::unique_ptr<listener> ears;

    void follow_folder();
    result<void> listen();
};

void runner_program::impl::follow_folder() {
    if (!options.agent.plugin_watch) return;
    if (auto watched = host.watch(); !watched)
        SIGRUN_LOG(logs::runner, warning,
                   "the plugin folder is only looked at from time to time: ", watched.error().text());
}

runner_program::runner_program(runner_program_options options) : impl_(std::make_unique<impl>(std::move(options))) {}
runner_program::~runner_program() { stop(); }

result<void> runner_program::start() {
    auto& me = *impl_;
    const auto& o = me.options.agent;
    SIGRUN_TRY(identity, load_identity(o.name, o.state_dir));
    SIGRUN_TRY(lock, state_lock::take(o.state_dir));
    me.lock.emplace(std::move(lock));
    SIGRUN_CHECK_OK(report_crashes_to(crash_ledger::crash_file(o.state_dir), "sigrun-runner"));

    me.host.set_call_handler(&me.guard);
    me.host.set_link_adopter(&me.reception);
    // Whatever happens to a plugin while the agent works changes what it says of itself.
    me.host.set_observer([&me](const plugin_event& what) {
        using kind = plugin_event::kind;
        if (what.what == kind::swapped_back)
            SIGRUN_LOG(logs::runner, warning, what.plugin, " ", what.to, " has the work again: ", what.reason);
        if (me.runner && what.what != kind::rejected && what.what != kind::retired) me.runner->plugins_changed(false);
    });
    SIGRUN_CHECK_OK(me.host.load_all());
    for (const auto& p : me.host.plugins())
        if (!p.active && p.reason.find("no component of a kind") == std::string::npos)  // of the controller
            SIGRUN_LOG(logs::runner, warning, "plugin ", p.file, " was rejected: ", p.reason);
    SIGRUN_CHECK_OK(me.host.start_all());

    me.facts = std::make_unique<detector>(me.host, clock::system(), "/proc/self/exe");
    me.facts->keep_in(o.state_dir + "/facts.cache");
    me.runner = std::make_shared<agent>(me.host, *me.facts, o, identity);
    me.runner->set_announcer(me.options.announce);
    me.runner->set_swappers();
    if (!o.listen.empty()) me.ears = std::make_unique<listener>(me.host, me.numbers);
    me.host.set_swapper(SIGRUN_KIND_PROTOCOL, runner_protocol_swapper(me.host, me.ears.get(), *me.runner));
    SIGRUN_CHECK_OK(me.runner->start());
    me.changes = std::make_unique<change_watch>(me.host.io(), machine_changes(me.host), [&me](const auto& prefixes) {
        me.facts->expire(prefixes);
        me.runner->facts_changed();
    });
    me.changes->start();
    me.follow_folder();
    return me.ears ? me.listen() : result<void>();
}

result<void> runner_program::impl::listen() {
    auto& me = *this;
    const auto& o = options.agent;
    // Loopback is no exception: every user of this machine can reach it.
    gate_options rules;
    rules.trust_loopback = false;
    who.set_options(std::move(rules));
    tls_server::hooks tell;
    tell.reloaded = [](const result<void>& outcome) {
        if (outcome)
            SIGRUN_LOG(logs::runner, info, "the certificate was read again");
        else
            SIGRUN_LOG(logs::runner, warning, "the new certificate is not used: ", outcome.error().text());
    };
    encryption = std::make_unique<tls_server>(numbers, std::move(tell));
    SIGRUN_TRY(files, read_tls_server(*options.tls));
    SIGRUN_CHECK_OK(encryption->configure(files));
    ears->set_guards({encryption.get(), &who});
    ears->require_tls(options.tls->boolean("required"));
    if (rules_of(options).open() && !std::all_of(o.listen.begin(), o.listen.end(), is_of_this_machine))
        SIGRUN_LOG(logs::runner, warning,
                   "whoever can reach this runner may run commands on it: set controller_token, or [tls] client_auth");
    me.reception.open_for(me.runner);
    listener_options where;
    where.addresses = o.listen;
    where.only = o.protocols;
    // As the daemon's default, whatever the order in which they are used: http would take every request for a WebSocket.
    where.protocol_order = {"valkyrie", "grpc", "websocket", "http"};
    SIGRUN_CHECK_OK(me.ears->start(where));
    for (const auto& address : me.ears->bound())
        if (me.options.announce)
            me.options.announce(
                sdk::concat("runner ", o.name, " listening on ", address, ", ", me.runner->slots(), " slots"));
    return {};
}

void runner_program::drain(std::string reason, std::function<void()> done) {
    impl_->runner->drain(impl_->options.agent.drain_timeout, std::move(reason), std::move(done));
}

void runner_program::reload_plugins(std::function<void()> done) {
    SIGRUN_LOG(logs::runner, info, "looking for changed plugins");
    impl_->runner->reload_plugins("", [done = std::move(done)](const std::vector<swept_plugin>& all) {
        const auto changed =
            std::count_if(all.begin(), all.end(), [](const auto& one) { return one.outcome && one.outcome->changed; });
        const auto refused = std::count_if(all.begin(), all.end(), [](const auto& one) { return !one.outcome; });
        SIGRUN_LOG(logs::runner, info, "plugins: ", all.size(), " looked at, ", changed, " replaced, ", refused,
                   " refused");
        if (done) done();
    });
}

std::vector<watched_thread> runner_program::threads() { return threads_of(impl_->host); }

void runner_program::hand_over() {
    SIGRUN_LOG(logs::runner, info, "handing over: ", impl_->runner->hand_over(), " jobs go on without this process");
}

bool runner_program::keeps_jobs() const noexcept { return impl_->options.agent.keep_on_stop; }

void runner_program::abort() { impl_->runner->abort(); }

void runner_program::stop() {
    auto& me = *impl_;
    if (me.runner) me.host.end_reloads();
    me.changes = nullptr;
    if (me.ears) me.ears->stop();
    me.reception.close();
    if (me.runner) me.runner->stop();
    me.runner = nullptr;
    me.facts = nullptr;
    me.host.shutdown();
    if (me.encryption) me.encryption->stop();  // last: it carries the farewells
}

}  // namespace sigrun

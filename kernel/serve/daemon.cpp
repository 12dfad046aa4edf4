#include "kernel/serve/daemon.hpp"

#include "kernel/auth/gate.hpp"
#include "kernel/capability/events/change_watch.hpp"
#include "kernel/capability/events/machine_changes.hpp"
#include "kernel/guard/crash_reporter.hpp"
#include "kernel/job/log_syncer.hpp"
#include "kernel/log/loggers.hpp"
#include "kernel/net/net_options.hpp"
#include "kernel/net/span_exporter.hpp"
#include "kernel/net/tls_server.hpp"
#include "kernel/plugin/host_threads.hpp"
#include "kernel/serve/audit.hpp"
#include "kernel/serve/balancer_settings.hpp"
#include "kernel/serve/config_watch.hpp"
#include "kernel/serve/configuration.hpp"
#include "kernel/serve/demand_view.hpp"
#include "kernel/serve/history.hpp"
#include "kernel/serve/listener.hpp"
#include "kernel/serve/methods.hpp"
#include "kernel/serve/plugin_events.hpp"
#include "kernel/serve/plugin_swappers.hpp"
#include "kernel/serve/queue_settings.hpp"
#include "kernel/serve/rung_settings.hpp"
#include "kernel/serve/runner_sections.hpp"
#include "kernel/serve/scaling_hook.hpp"
#include "kernel/serve/security_settings.hpp"
#include "kernel/serve/settings_table.hpp"
#include "kernel/serve/storage_swappers.hpp"
#include "kernel/serve/submitted_signatures.hpp"
#include "kernel/serve/zone_settings.hpp"

#include <boost/asio/steady_timer.hpp>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

namespace sigrun {
namespace {

// One daemon per state directory: a second one would fence the first out of its own store.
result<int> lock_state_dir(const std::string& dir) {
    std::error_code ec;
    std::filesystem::create_directories(dir, ec);
    std::string path = dir + "/lock";
    int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return problem{errc::io, "the state directory cannot be used", "state-dir", "a directory this user can write",
                       dir + " (" + std::strerror(errno) + "); choose another with --state-dir"};
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
        ::close(fd);
        return problem{errc::conflict, "the state directory is in use", "state-dir",
                       "a directory no other sigrund uses (stop that one, or choose another with --state-dir)", dir};
    }
    return fd;
}

result<std::string> controller_id(const std::string& dir) {
    std::string path = dir + "/controller-id", text;
    std::ifstream(path) >> text;
    if (id::parse(text)) return text;
    text = id::make().text();
    std::ofstream out(path);
    out << text << std::endl;
    if (!out)
        return problem{errc::io, "the controller's id cannot be stored", "state-dir",
                       "a directory this user can write, with room", path};
    return text;
}

// Found out at start, not by the first job that writes.
result<void> check_log_dir(const std::string& dir) {
    std::error_code ec;
    std::filesystem::create_directories(dir, ec);
    if (ec || ::access(dir.c_str(), W_OK | X_OK) != 0)
        return problem{errc::io, "the logs of jobs cannot be stored", "state-dir", "a directory this user can write",
                       dir + " (" + (ec ? ec.message() : std::string(std::strerror(errno))) + ")"};
    return {};
}

void raise_fd_limit() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

}  // namespace

struct daemon::impl {
    explicit impl(daemon_options o) : options(std::move(o)) {}

    daemon_options options;
    daemon_settings bound;
    int lock_fd = -1;
    metrics numbers;
    const clock& time = clock::system();
    token_store tokens{time};
    gate who{tokens, numbers};
    std::unique_ptr<plugin_host> plugins;
    std::unique_ptr<event_log> events;
    std::unique_ptr<journal> store;
    std::unique_ptr<registry> runners;
    std::unique_ptr<selector> select;
    std::unique_ptr<timer_wheel> timers;
    std::unique_ptr<detector> local;
    std::unique_ptr<change_watch> local_changes;
    std::unique_ptr<log_store> logs;
    std::shared_ptr<artifact_store> artifacts;
    std::shared_ptr<fleet> links;
    std::atomic<std::uint64_t> runner_series{0};  // [metrics] runner_series
    std::unique_ptr<span_exporter> traces;        // null: nobody wants spans
    std::unique_ptr<job_engine> jobs;
    std::atomic<job_engine*> dispatching{nullptr};  // the same, for the store's thread
    std::unique_ptr<runner_sections> declared;
    std::unique_ptr<configuration> config;
    std::unique_ptr<config_watch> watch;               // changed on the control thread, once the daemon runs
    std::unique_ptr<submitted_signatures> signatures;  // null: nobody asks for any
    std::unique_ptr<controller> control;
    std::shared_ptr<history> past;
    std::unique_ptr<demand_view> demand;
    std::unique_ptr<scaling_hook> scaling;
    std::unique_ptr<audit> auditing;  // null: nobody wants it
    std::unique_ptr<router> methods;
    std::unique_ptr<tls_server> encryption;
    std::unique_ptr<listener> sockets;
    std::jthread ticker;
    std::size_t restored = 0;
    bool stopped = false;

    result<void> open_plugins();
    result<void> open_store();
    result<void> open_fleet();
    result<void> open_security();
    result<void> restore();
    result<void> listen();
    result<void> check_values(const daemon_settings& now, const settings& from) const;
    void apply(const daemon_settings& now);
    void watch_config(bool wanted);
    std::string local_url() const;
    void stop();
};

result<void> daemon::impl::open_plugins() {
    plugin_host_options o;
    o.plugin_dir = options.plugin_dir;
    o.state_dir = options.state_dir;
    o.program = "sigrund";
    o.trial_program = options.trial_program;
    o.probation = nanoseconds(bound.at("plugins").integer("probation"));
    o.remember = true;
    o.trust_dir = options.trust_dir;
    o.signature = bound.at("plugins").text("signature");
    SIGRUN_CHECK_OK(report_crashes_to(crash_ledger::crash_file(options.state_dir), "sigrund"));
    plugins = std::make_unique<plugin_host>(std::move(o), options.config, numbers);
    methods = std::make_unique<router>(numbers);
    methods->set_gate(who);
    const auto& kept = bound.at("audit");
    if (const auto file = kept.text("file"); !file.empty()) {
        auto to = rotating_file::open(file, static_cast<std::uint64_t>(kept.integer("max_size")),
                                      static_cast<std::uint32_t>(kept.integer("keep")));
        if (!to)
            return problem{errc::io, "the audit log cannot be written", "audit.file", "a file this user can write",
                           to.error().text()};
        auditing = std::make_unique<audit>(std::move(*to), who, time, numbers);
        methods->set_audit(*auditing);
    }
    plugins->set_call_handler(methods.get());
    events = std::make_unique<event_log>(time);
    plugins->set_observer(publish_plugin_events(*events, numbers));
    SIGRUN_CHECK_OK(plugins->load_all());
    tell_of_crashes(*plugins, *events, numbers);
    for (const auto& p : plugins->plugins()) {
        auto detail = json::serialize(
            json::object{{"plugin", p.id.empty() ? p.file : p.id}, {"version", p.version}, {"reason", p.reason}});
        events->publish(p.active ? event_type::plugin_loaded : event_type::plugin_rejected, {}, {},
                        detail.substr(1, detail.size() - 2));
    }
    if (plugins->instances(SIGRUN_KIND_PROTOCOL).empty())
        return problem{errc::unavailable, "no protocol plugin could be loaded", "plugin-dir",
                       "a folder with protocols/*.so", options.plugin_dir + "; choose another with --plugin-dir"};
    return {};
}

result<void> daemon::impl::open_store() {
    auto stores = plugins->instances(SIGRUN_KIND_STORE);
    if (stores.empty())
        return problem{errc::unavailable, "no store plugin could be loaded", "plugin-dir",
                       "a folder with stores/sqlite.so", options.plugin_dir};
    store = std::make_unique<journal>(*plugins, stores.front(), numbers);
    store->on_fenced([this](const std::string& why) {
        if (auto* running = dispatching.load()) running->halt();
        if (options.failed) options.failed("another controller has taken over the jobs: " + why);
    });
    SIGRUN_CHECK_OK(check_log_dir(options.state_dir + "/logs"));
    logs = std::make_unique<log_store>(options.state_dir + "/logs",
                                       static_cast<std::uint64_t>(bound.at("jobs").integer("log_limit")));
    artifacts = std::make_shared<artifact_store>(options.state_dir + "/artifacts");
    artifacts->set_limits(artifact_limits_of(bound));
    return artifacts->open();
}

result<void> daemon::impl::open_fleet() {
    fleet_options o;
    SIGRUN_TRY(me, controller_id(options.state_dir));
    o.controller_id = me;
    o.beat_period = nanoseconds(bound.at("registry").integer("beat_period"));
    o.auto_detection = bound.at("registry").boolean("auto_capability_detection");
    const auto& d = bound.at("detector");
    o.detection_timeout = nanoseconds(d.integer("detection_timeout"));
    o.cache_ttl = nanoseconds(d.integer("cache_ttl"));
    o.parallel_detection = d.boolean("parallel_detection");
    o.disabled_detection = not_detected(bound);
    links = std::make_shared<fleet>(*plugins, *runners, *select, numbers, time, std::move(o));
    SIGRUN_CHECK_OK(check_rung_settings(bound, links->protocol_names()));
    links->tune(fleet_tuning_of(bound));
    plugins->set_link_adopter(links.get());

    engine_options e;
    e.restart_grace = nanoseconds(bound.at("jobs").integer("restart_grace"));
    e.lost_after = nanoseconds(bound.at("jobs").integer("lost_after"));
    e.defaults.protocols = links->protocol_names();
    e.artifacts = artifacts;
    e.defaults.secrets = std::make_shared<secret_box>(options.state_dir + "/secrets.key");
    const auto& trace = bound.at("trace");
    job_tracer::taker take;
    if (const auto to = trace.text("endpoint"); !to.empty()) {
        SIGRUN_TRY(collector, parse_collector(to));
        traces = std::make_unique<span_exporter>(collector, trace_resource{"sigrund", options.version, me}, numbers);
        take = [to = traces.get()](std::vector<trace_span> spans) { to->send(std::move(spans)); };
    }
    e.traces = std::make_shared<const job_tracer>(std::move(take), trace.real("share"));
    jobs = std::make_unique<job_engine>(*links, *select, *store, *events, numbers, *logs, *timers, time, std::move(e),
                                        engine_tuning_of(bound));
    dispatching = jobs.get();
    links->set_attempt_handler(jobs.get());
    return {};
}

result<void> daemon::impl::open_security() {
    SIGRUN_CHECK_OK(tokens.open(token_file(bound, options.state_dir)));
    const auto beside = std::filesystem::path(options.trust_dir).parent_path().string();
    SIGRUN_TRY(trust, read_job_trust(bound.at("security"), beside));
    if (trust.wanted != job_trust_options::mode::off)
        signatures = std::make_unique<submitted_signatures>(std::move(trust), time);
    SIGRUN_TRY(rules, read_gate_options(bound));
    who.set_options(std::move(rules));
    tls_server::hooks tell;
    tell.reloaded = [this](const result<void>& outcome) {
        json::object detail{{"why", "certificate"}};
        if (!outcome) detail["reason"] = outcome.error().text();
        const auto text = json::serialize(detail);
        events->publish(outcome ? event_type::config_reloaded : event_type::config_refused, {}, {},
                        text.substr(1, text.size() - 2));
    };
    encryption = std::make_unique<tls_server>(numbers, std::move(tell));
    SIGRUN_TRY(files, read_tls_server(bound.at("tls")));
    return encryption->configure(files);
}

result<void> daemon::impl::restore() {
    auto epoch = store->open([&](record_kind kind, std::string_view key, std::string_view body) {
        switch (kind) {
            case record_kind::runner:
                if (auto r = runners->restore(body); !r)
                    SIGRUN_LOG(logs::daemon, error, "runner record ", key,
                               " is damaged and skipped: ", r.error().text());
                break;
            case record_kind::job:
                jobs->restore_job(key, body);
                ++restored;
                break;
            case record_kind::idempotency: jobs->restore_key(key, body); break;
            case record_kind::setting: break;
        }
    });
    if (!epoch) return epoch.error();
    events->begin_life(*epoch);
    return {};
}

// What the option tables cannot judge, of a configuration that is to take over.
result<void> daemon::impl::check_values(const daemon_settings& now, const settings& from) const {
    SIGRUN_CHECK_OK(check_daemon_values(now, from));
    const auto loaded = [this](const std::string& name) { return select->balancer_id(name) != 0; };
    if (auto usual = default_balancer(now, from, loaded, select->balancer_names()); !usual) return usual.error();
    SIGRUN_CHECK_OK(check_security(now, from));
    if (auto queues = check_queue_settings(now, loaded, select->balancer_names()); !queues)
        return with_origin(queues.error(), from);
    if (auto zones = read_zone_settings(now); !zones) return with_origin(zones.error(), from);
    if (auto rungs = check_rung_settings(now, links->protocol_names()); !rungs) return with_origin(rungs.error(), from);
    return declared->check(now, from);
}

// Every option that is marked hot, whether it has changed or not.
void daemon::impl::apply(const daemon_settings& now) {
    log_level level = log_level::info;
    if (parse_log_level(now.at("log").text("level"), level)) set_log_level(level);
    runner_series = static_cast<std::uint64_t>(now.at("metrics").integer("runner_series"));
    demand->set_series(static_cast<std::size_t>(now.at("metrics").integer("demand_classes")));
    links->tune(fleet_tuning_of(now));
    jobs->tune(engine_tuning_of(now));
    logs->set_limit(static_cast<std::uint64_t>(now.at("jobs").integer("log_limit")));
    artifacts->set_limits(artifact_limits_of(now));
    use_default_balancer(*select, now);
    select->protect(protection_of(now));
    if (auto zones = read_zone_settings(now))  // was checked
        if (auto told = select->declare_zones(now.at("server").text("zone"), std::move(*zones)); !told)
            SIGRUN_LOG(logs::daemon, error, "the zones are not all known: ", told.error().text());
    allow_choices(*select, now);
    // Both were checked; a file that vanished since leaves the old certificate in place.
    if (auto rules = read_gate_options(now)) who.set_options(std::move(*rules));
    if (auto files = read_tls_server(now.at("tls")))
        if (auto used = encryption->configure(*files); !used)
            SIGRUN_LOG(logs::daemon, error, "the certificate is not replaced: ", used.error().text());
    sockets->require_tls(now.at("tls").boolean("required"));
    declared->apply(now);
    if (auto hook = read_scaling_hook(now)) scaling->use(std::move(*hook));  // was checked
    watch_config(now.at("server").boolean("watch_config"));
}

void daemon::impl::watch_config(bool wanted) {
    if (options.sources.file.empty() || wanted == (watch != nullptr)) return;
    watch.reset();
    if (wanted)
        watch = std::make_unique<config_watch>(options.sources.file, options.sources.drop_in_dir,
                                               [this] { config->change({"file"}, {}); });
}

result<void> daemon::impl::listen() {
    const auto& server = bound.at("server");
    listener_options o;
    o.addresses = server.list("listen");
    if (auto socket = server.text("socket"); socket == "auto")
        o.addresses.push_back("unix:" + options.state_dir + "/sigrun.sock");
    else if (socket != "none")
        o.addresses.push_back("unix:" + socket);
    o.protocol_order = server.list("protocol_order");
    o.peek_deadline = nanoseconds(server.integer("peek_timeout"));
    sockets->require_tls(bound.at("tls").boolean("required"));
    return sockets->start(o);
}

/// The socket, if there is one: whoever may use it is believed.
std::string daemon::impl::local_url() const {
    const auto all = sockets->bound();
    const auto is_socket = [](const std::string& a) { return a.starts_with("unix:"); };
    const auto at = std::find_if(all.begin(), all.end(), is_socket);
    if (at != all.end()) return "valkyrie+unix://" + at->substr(5);
    return all.empty() ? std::string() : "valkyrie://" + all.front();
}

void daemon::impl::stop() {
    if (stopped) return;
    stopped = true;
    if (config) config->stop();
    watch.reset();
    if (scaling) scaling->stop();
    if (past) past->stop();
    if (sockets) sockets->stop();
    if (jobs) jobs->stop();
    if (methods) methods->stop();
    if (links) links->stop();
    if (ticker.joinable()) {
        ticker.request_stop();
        ticker.join();
    }
    if (logs) logs->syncer().stop();
    if (artifacts) artifacts->stop();
    if (jobs) jobs->release();
    if (traces) traces->stop();
    if (store) {
        store->flush();
        store->close();
    }
    if (plugins) plugins->end_reloads();
    // Nothing calls in any more: whoever holds a plugin lets go, then the plugins go.
    local_changes.reset();
    local.reset();
    store.reset();
    select.reset();
    if (plugins) plugins->shutdown();
    if (encryption) encryption->stop();  // after those who say goodbye over it
    if (lock_fd >= 0) ::close(lock_fd);
    lock_fd = -1;
}

daemon::daemon(daemon_options options) : impl_(std::make_unique<impl>(std::move(options))) {
    impl_->options.state_dir = std::filesystem::absolute(impl_->options.state_dir).lexically_normal().string();
    impl_->options.plugin_dir = std::filesystem::absolute(impl_->options.plugin_dir).lexically_normal().string();
}
daemon::~daemon() { impl_->stop(); }

result<void> daemon::start() {
    auto& d = *impl_;
    raise_fd_limit();
    SIGRUN_TRY(bound, bind_daemon_settings(d.options.config));
    d.bound = std::move(bound);
    SIGRUN_CHECK_OK(check_daemon_values(d.bound, d.options.config));
    SIGRUN_CHECK_OK(check_security(d.bound, d.options.config));
    SIGRUN_TRY(fd, lock_state_dir(d.options.state_dir));
    d.lock_fd = fd;
    SIGRUN_CHECK_OK(d.open_plugins());
    d.timers = std::make_unique<timer_wheel>(d.time);
    SIGRUN_CHECK_OK(d.open_store());
    auto max_runners = static_cast<std::uint32_t>(d.bound.at("registry").integer("max_runners"));
    d.runners = std::make_unique<registry>(*d.events, *d.store, d.time, max_runners);
    const auto balancers = d.plugins->instances(SIGRUN_KIND_BALANCER);
    std::vector<std::string> names;
    for (const auto& each : balancers) names.push_back(each->name());
    const auto is_there = [&](const std::string& name) {
        return std::find(names.begin(), names.end(), name) != names.end();
    };
    SIGRUN_TRY(usual, default_balancer(d.bound, d.options.config, is_there, names));
    selector::options so;
    so.max_runners = max_runners;
    so.default_balancer = usual;
    so.protect = protection_of(d.bound);
    auto select = selector::create(so, balancers);
    if (!select) return select.error();
    d.select = std::move(*select);
    allow_choices(*d.select, d.bound);
    const auto loaded = [&d](const std::string& name) { return d.select->balancer_id(name) != 0; };
    if (auto queues = check_queue_settings(d.bound, loaded, d.select->balancer_names()); !queues)
        return with_origin(queues.error(), d.options.config);
    auto zones = read_zone_settings(d.bound);
    if (!zones) return with_origin(zones.error(), d.options.config);
    SIGRUN_CHECK_OK(d.select->declare_zones(d.bound.at("server").text("zone"), std::move(*zones)));
    d.local = std::make_unique<detector>(*d.plugins, d.time, d.options.trial_program);
    d.local->keep_in(d.options.state_dir + "/facts.cache");
    SIGRUN_CHECK_OK(d.open_fleet());
    SIGRUN_CHECK_OK(d.open_security());
    d.sockets = std::make_unique<listener>(*d.plugins, d.numbers);
    d.sockets->set_guards({d.encryption.get(), &d.who});
    set_swappers(*d.plugins, *d.select, *d.local, *d.links, *d.sockets);
    set_storage_swappers(*d.plugins, *d.store);
    d.declared = std::make_unique<runner_sections>(*d.links, *d.select, *d.timers, d.time);
    d.config = std::make_unique<configuration>(
        d.options.sources, d.options.state_dir,
        configuration_parts{
            *d.plugins, d.numbers, *d.events, d.time,
            [&d](const daemon_settings& now, const settings& from) { return d.check_values(now, from); },
            [&d](const daemon_settings& now) { d.apply(now); }});
    d.control = std::make_unique<controller>(controller{
        *d.plugins, d.numbers, *d.events, *d.runners, *d.links, *d.select, *d.jobs, *d.store, *d.local, *d.timers,
        d.time, d.options.version, [&d] { return d.config->in_effect(); }, d.time.wall_ns(), d.config.get(), &d.who,
        [&d] { return d.runner_series.load(std::memory_order_relaxed); }, d.signatures.get()});
    add_job_methods(*d.methods, *d.control);
    add_artifact_methods(*d.methods, *d.control);
    add_submission_methods(*d.methods, *d.control);
    add_runner_methods(*d.methods, *d.control);
    add_event_methods(*d.methods, *d.control);
    add_system_methods(*d.methods, *d.control);
    d.past = make_history(*d.control, nanoseconds(d.bound.at("metrics").integer("history_step")));
    add_history_methods(*d.methods, d.past);
    d.demand = std::make_unique<demand_view>(*d.control);
    d.control->demand = d.demand.get();
    add_demand_methods(*d.methods, *d.demand);
    d.scaling = std::make_unique<scaling_hook>(
        scaling_hook::parts{[&d](const demand_question& what) { return d.demand->look(what); }, *d.events, d.numbers});
    add_path_methods(*d.methods, *d.control);
    add_store_methods(*d.methods, *d.control);
    add_balancer_methods(*d.methods, *d.control);
    add_plugin_methods(*d.methods, *d.control);
    add_crash_methods(*d.methods, *d.control);
    add_config_methods(*d.methods, *d.control);
    add_token_methods(*d.methods, *d.control);
    SIGRUN_CHECK_OK(d.plugins->start_all());
    SIGRUN_CHECK_OK(d.restore());
    SIGRUN_CHECK_OK(d.config->begin(d.options.config, d.bound));
    d.runner_series = static_cast<std::uint64_t>(d.bound.at("metrics").integer("runner_series"));
    d.demand->set_series(static_cast<std::size_t>(d.bound.at("metrics").integer("demand_classes")));
    d.ticker = std::jthread([&d](std::stop_token stop) {
        pthread_setname_np(pthread_self(), "sigrun-timers");
        while (!stop.stop_requested()) {
            std::this_thread::sleep_for(d.timers->tick());
            d.timers->advance();
        }
    });
    d.links->start();
    d.jobs->start();
    d.past->start();
    SIGRUN_CHECK_OK(d.listen());
    d.declared->apply(d.bound);
    d.scaling->set_url(d.local_url());
    if (auto hook = read_scaling_hook(d.bound)) d.scaling->use(std::move(*hook));
    d.watch_config(d.bound.at("server").boolean("watch_config"));
    d.local_changes = std::make_unique<change_watch>(d.plugins->io(), machine_changes(*d.plugins),
                                                     [&d](const auto& prefixes) { d.local->expire(prefixes); });
    d.local_changes->start();
    if (d.bound.at("plugins").boolean("watch"))
        if (auto watched = d.plugins->watch(); !watched)
            SIGRUN_LOG(logs::daemon, warning,
                       "the plugin folder is only looked at from time to time: ", watched.error().text());
    return {};
}

std::vector<std::string> daemon::addresses() const {
    return impl_->sockets ? impl_->sockets->bound() : std::vector<std::string>{};
}
std::size_t daemon::plugins() const {
    auto all = impl_->plugins->plugins();
    return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [](const auto& p) { return p.active; }));
}
std::size_t daemon::restored_jobs() const { return impl_->restored; }
void daemon::reload_configuration(const std::string& why, std::function<void()> done) {
    if (!done) return impl_->config->change({why}, {});
    impl_->config->change({why}, [done = std::move(done)](const auto&) { done(); });
}
std::vector<watched_thread> daemon::threads() { return threads_of(*impl_->plugins); }
void daemon::stop() { impl_->stop(); }

}  // namespace sigrun

#include "kernel/plugin/plugin_host.hpp"

#include "kernel/base/quantity.hpp"
#include "kernel/log/loggers.hpp"
#include "kernel/net/network.hpp"
#include "kernel/plugin/folder_watch.hpp"
#include "kernel/plugin/plugin_set.hpp"
#include "kernel/plugin/proving.hpp"
#include "kernel/plugin/reconfigurer.hpp"
#include "kernel/plugin/reloader.hpp"

#include <sigrun/cpp/error.hpp>

#include <boost/asio/post.hpp>

#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

namespace sigrun {
namespace {

constexpr std::int64_t k_coarse_ns = 1'000'000'000;  // the times of files are taken from a coarser clock
constexpr std::chrono::seconds k_release_time{2};    // for the last holders of an instance at shutdown

// Counts down as the drains complete; shared, because a late completion may come after the waiting ended.
struct countdown {
    std::mutex mutex;
    std::condition_variable zero;
    std::size_t left = 0;

    void add() {
        std::lock_guard lock(mutex);
        ++left;
    }
    void done() {
        std::lock_guard lock(mutex);
        if (--left == 0) zero.notify_all();
    }
    void wait_until(time_point deadline) {
        std::unique_lock lock(mutex);
        zero.wait_until(lock, deadline, [this] { return left == 0; });
    }
};

void drain_all(const std::vector<std::shared_ptr<instance>>& instances, op_table& ops, nanoseconds time) {
    const time_point deadline = std::chrono::steady_clock::now() + time;
    const auto deadline_ns = static_cast<std::uint64_t>(deadline.time_since_epoch() / std::chrono::nanoseconds(1));
    auto waiting = std::make_shared<countdown>();
    std::vector<std::pair<const instance*, sigrun_op>> begun;
    for (const auto& each : instances) {
        sigrun_instance* abi = each->abi();
        if (!SIGRUN_HAS(abi, drain) || each->stuck) continue;
        waiting->add();
        sigrun_op op = ops.mint(each->generation_number(), [waiting](const result<buffer_ref>&) { waiting->done(); });
        begun.emplace_back(each.get(), op);
        if (abi->drain(abi, deadline_ns, op) < 0 && ops.revoke(op)) waiting->done();
    }
    waiting->wait_until(deadline);
    for (const auto& [which, op] : begun)
        if (ops.revoke(op))
            SIGRUN_LOG(logs::plugin, warning, which->name(), " did not drain within ", format_duration(time));
}

}  // namespace

struct plugin_host::impl {
    impl(plugin_host_options o, settings c, metrics& m)
        : options(std::move(o)), config(std::move(c)), rt(std::make_shared<runtime>(m)), plugins(options, config, rt) {}

    const plugin_host_options options;
    const settings config;
    std::shared_ptr<runtime> rt;
    plugin_set plugins;
    bool started = false;
    reloader reloads{options, *rt, plugins};
    const std::int64_t made_ns = clock::system().wall_ns();
    std::unique_ptr<folder_watch> watching;
    proving proofs{options, *rt, plugins};
    reconfigurer changes{plugins, reloads};
    std::once_flag ended;
};

plugin_host::plugin_host(plugin_host_options options, settings config, metrics& metrics)
    : impl_(std::make_unique<impl>(std::move(options), std::move(config), metrics)) {}

plugin_host::~plugin_host() { shutdown(); }

traffic_board& plugin_host::traffic() noexcept { return impl_->rt->traffic; }
void plugin_host::set_call_handler(call_handler* handler) noexcept { impl_->rt->calls = handler; }
void plugin_host::set_link_adopter(link_adopter* adopter) noexcept { impl_->rt->links = adopter; }

result<void> plugin_host::load_all() {
    SIGRUN_TRY(policy, read_net_policy(impl_->config));
    impl_->rt->connections->set_policy(std::move(policy));
    return impl_->plugins.load();
}

result<void> plugin_host::start_all() {
    impl_->started = true;
    for (const auto& each : impl_->plugins.all()) {
        sigrun_instance* abi = each->abi();
        if (!SIGRUN_HAS(abi, start)) continue;
        sdk::error_text text;
        sigrun_result r = abi->start(abi, &text.abi);
        if (r >= 0) continue;
        problem p = problem::from_abi(r, text.text());
        p.message = "instance " + each->name() + " (" + each->plugin_id() + ") cannot start: " + p.text();
        p.field.clear();
        p.expected.clear();
        p.found.clear();
        return p;
    }
    impl_->reloads.count_states();
    impl_->proofs.begin();
    impl_->rt->exchange->open([set = &impl_->plugins](std::string_view name) { return set->known_as(name); });
    return {};
}

void plugin_host::shutdown() {
    std::call_once(impl_->ended, [this] {
        end_reloads();
        impl_->proofs.end();
        impl_->rt->exchange->close();
        auto instances = impl_->plugins.release_instances();
        // What was never started has nothing to finish, and perhaps no thread that could say so.
        if (impl_->started) drain_all(instances, impl_->rt->ops, impl_->options.drain_time);
        // A link that was closed a moment ago holds its protocol until the plugin has said so, on the plugin's own
        // thread. Were that the last holder, the plugin would have to join the thread it runs on.
        const auto patience = std::chrono::steady_clock::now() + k_release_time;
        for (auto& each : instances)
            while (each.use_count() > 1 && std::chrono::steady_clock::now() < patience)
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
        while (!instances.empty()) {
            if (instances.back().use_count() > 1)
                SIGRUN_LOG(logs::plugin, warning, instances.back()->name(), " is still held at shutdown");
            instances.pop_back();
        }
        impl_->rt->stop();
        impl_->plugins.unload();
    });
}

void plugin_host::set_swapper(std::string_view kind, swapper how) { impl_->reloads.set_swapper(kind, std::move(how)); }

void plugin_host::set_observer(plugin_observer observer) { impl_->reloads.set_observer(std::move(observer)); }

void plugin_host::reload(std::string name, reload_options how, std::function<void(result<reload_report>)> done) {
    impl_->reloads.reload(std::move(name), how, std::move(done));
}

void plugin_host::reconfigure(reconfigure_request request, std::function<void(result<reconfigure_report>)> done) {
    auto policy = read_net_policy(request.config);
    if (!policy) return done(policy.error());
    request.after_commit = [then = std::move(request.after_commit), rt = impl_->rt,
                            fresh = std::move(*policy)](const reconfigure_report& report) {
        rt->connections->set_policy(fresh);
        if (then) then(report);
    };
    impl_->changes.run(std::move(request), std::move(done));
}

std::vector<std::string> plugin_host::secret_options(const settings& config) {
    auto wanted = impl_->plugins.wanted_instances(config);
    return wanted ? wanted->secrets : std::vector<std::string>();
}

void plugin_host::remove(std::string name, bool force, std::function<void(result<std::string>)> done) {
    impl_->reloads.remove(std::move(name), force, std::move(done));
}

void plugin_host::pin(std::string name, bool pinned, std::function<void(result<void>)> done) {
    impl_->reloads.pin(std::move(name), pinned, std::move(done));
}

result<void> plugin_host::watch() {
    std::promise<result<void>> begun;
    boost::asio::post(impl_->rt->control, [this, &begun] {
        if (impl_->watching) return begun.set_value({});
        impl_->watching = std::make_unique<folder_watch>(
            impl_->rt->control, impl_->options.plugin_dir, impl_->made_ns - k_coarse_ns,
            [this](const std::string& path) { impl_->reloads.file_changed(path); }, impl_->options.watch);
        begun.set_value(impl_->watching->begin());
    });
    return begun.get_future().get();
}

void plugin_host::end_reloads() {
    impl_->reloads.end();
    // A second time through the control thread: what the swappers posted on their way has run, too.
    std::promise<void> over;
    boost::asio::post(impl_->rt->control, [this, &over] {
        if (impl_->watching) impl_->watching->end();
        over.set_value();
    });
    over.get_future().wait();
}

std::vector<std::shared_ptr<instance>> plugin_host::instances(std::string_view kind) const {
    std::vector<std::shared_ptr<instance>> out;
    for (auto& each : impl_->plugins.all())
        if (each->kind() == kind) out.push_back(std::move(each));
    return out;
}

std::shared_ptr<instance> plugin_host::find(std::string_view kind, std::string_view name) const {
    std::shared_ptr<instance> by_component;
    for (auto& each : instances(kind)) {
        if (each->name() == name) return each;
        if (each->component() == name && !by_component) by_component = each;
    }
    return by_component;
}

const std::string& plugin_host::plugin_dir() const noexcept { return impl_->options.plugin_dir; }
result<std::size_t> plugin_host::admit(std::string_view name) { return impl_->plugins.admit_again(name); }
std::optional<crash_ledger> plugin_host::crashes() const { return impl_->plugins.crashes(); }
std::vector<plugin_info> plugin_host::plugins() const { return impl_->plugins.infos(); }
std::vector<documented_section> plugin_host::documented() const { return impl_->plugins.documented(); }
op_table& plugin_host::ops() noexcept { return impl_->rt->ops; }
boost::asio::io_context& plugin_host::control() noexcept { return impl_->rt->control; }
boost::asio::io_context& plugin_host::io() noexcept { return impl_->rt->io; }

void plugin_host::post_work(std::function<void()> task) {
    if (!impl_->rt->work.post(std::move(task), false))
        SIGRUN_LOG(logs::plugin, debug, "a task came after the shutdown");
}

void plugin_host::call_async(const instance& target, const std::function<sigrun_result(sigrun_op)>& start,
                             op_callback callback) {
    auto shared = std::make_shared<op_callback>(std::move(callback));
    sigrun_op op =
        impl_->rt->ops.mint(op_owner(target), [shared](result<buffer_ref> outcome) { (*shared)(std::move(outcome)); });
    sigrun_result r = start(op);
    target.note_call(r);
    if (r < 0 && impl_->rt->ops.revoke(op)) (*shared)(problem::from_abi(r, ""));
}

}  // namespace sigrun

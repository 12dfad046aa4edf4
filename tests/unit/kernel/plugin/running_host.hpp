// A plugin host with one plain plugin in use, whose file a test replaces.
#pragma once

#include "plugin_folder.hpp"

#include <atomic>
#include <chrono>
#include <future>
#include <mutex>
#include <thread>

namespace sigrun::testing {

struct host_wish {
    nanoseconds probation{0};
    bool with_trial = true;
    nanoseconds trial_time = std::chrono::seconds(2);  // of processor; four times as much of the clock
    settings config{};
    watch_times watch{std::chrono::milliseconds(20), std::chrono::seconds(30), std::chrono::milliseconds(20)};
};

struct running_host {
    plugin_folder folder;
    metrics numbers;
    std::unique_ptr<plugin_host> host;
    std::atomic<int> swaps{0}, settled{0}, added{0}, removed{0};
    std::mutex mutex;
    std::vector<plugin_event> events;

    running_host() : running_host(host_wish{}) {}
    explicit running_host(host_wish h) {
        folder.add("plain");
        start(std::move(h));
    }
    ~running_host() { host->shutdown(); }

    void start(host_wish h) {
        auto options = folder.options();
        if (h.with_trial) options.trial_program = SIGRUN_BUILD_DIR "/bin/sigrund";
        options.trial_time = h.trial_time;
        options.probation = h.probation;
        options.watch = h.watch;
        host = std::make_unique<plugin_host>(options, h.config, numbers);
        swapper probes{[](const auto&, const auto&) { return result<void>(); },
                       [this](const auto&, const auto&) { return ++swaps > 0; }};
        probes.settle = [this](const auto&, const auto&) { ++settled; };
        probes.add = [this](const auto&) {
            ++added;
            return result<void>();
        };
        probes.remove = [this](const auto&) {
            ++removed;
            return result<void>();
        };
        host->set_swapper(SIGRUN_KIND_PROBE, std::move(probes));
        host->set_observer([this](const plugin_event& e) {
            std::lock_guard lock(mutex);
            events.push_back(e);
        });
        host->load_all().value();
        host->start_all().value();
    }
    void restart(host_wish h = {}) {
        host->shutdown();
        start(std::move(h));
    }

    template <class Result>
    static Result answer(const std::function<void(std::function<void(Result)>)>& ask) {
        std::promise<Result> promise;
        ask([&](Result r) { promise.set_value(std::move(r)); });
        auto future = promise.get_future();
        if (future.wait_for(std::chrono::seconds(30)) != std::future_status::ready)
            return make_problem(errc::timeout, "no answer");
        return future.get();
    }
    result<reload_report> reload(const std::string& name = "plain", reload_options how = {}) {
        return answer<result<reload_report>>([&](auto done) { host->reload(name, how, done); });
    }
    result<std::string> remove(const std::string& name = "plain", bool force = false) {
        return answer<result<std::string>>([&](auto done) { host->remove(name, force, done); });
    }
    result<void> pin(bool pinned = true) {
        return answer<result<void>>([&](auto done) { host->pin("plain", pinned, done); });
    }

    /// Whose code answers: the fixture carries its number there.
    std::uint32_t number() const {
        const auto found = host->find(SIGRUN_KIND_PROBE, "plain");
        return found ? number_of(*found) : 0;
    }
    plugin_info info(const std::string& file = "plain") const {
        const auto all = host->plugins();
        const auto* found = info_of(all, file);
        return found ? *found : plugin_info{};
    }
    template <class Condition>
    static bool wait_until(Condition condition) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (!condition()) {
            if (std::chrono::steady_clock::now() > end) return false;
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        }
        return true;
    }
    bool wait_until_old_is_gone() const {
        return wait_until([this] { return info().retiring.empty(); });
    }
    std::size_t told(plugin_event::kind what, const std::string& plugin = "") {
        std::lock_guard lock(mutex);
        return static_cast<std::size_t>(std::count_if(events.begin(), events.end(), [&](const plugin_event& e) {
            return e.what == what && (plugin.empty() || e.plugin == plugin);
        }));
    }
    /// A call into the running probe, as the detector makes it.
    bool call() {
        const auto probe = host->find(SIGRUN_KIND_PROBE, "plain");
        const auto* table = probe->table<sigrun_probe>(SIGRUN_KIND_PROBE);
        const sigrun_probe_req req{};
        std::promise<bool> good;
        host->call_async(
            *probe, [&](sigrun_op op) { return table->run(probe->abi(), &req, nullptr, op); },
            [&](result<buffer_ref> r) { good.set_value(r.has_value()); });
        return good.get_future().get();
    }
    std::size_t mapped(std::string_view part) const {
        std::ifstream maps("/proc/self/maps");
        std::size_t n = 0;
        for (std::string line; std::getline(maps, line);) n += line.find(part) != std::string::npos;
        return n;
    }
};

}  // namespace sigrun::testing

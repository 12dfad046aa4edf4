#include "kernel/plugin/reloader.hpp"

#include "kernel/plugin/trial.hpp"

#include <boost/asio/post.hpp>

#include <chrono>
#include <future>

namespace sigrun {
namespace {

constexpr std::chrono::milliseconds k_reap_again{20};
const auto k_log = logger::get("plugin");

}  // namespace

void reloader::set_swapper(std::string_view kind, swapper how) {
    swappers_.insert_or_assign(std::string(kind), std::move(how));
}

void reloader::end() {
    std::promise<void> over;
    boost::asio::post(rt_.control, [this, &over] {
        stopped_ = true;
        reaping_.cancel();
        over.set_value();
    });
    over.get_future().wait();
}

// What may take long.
result<plugin_set::examined> reloader::examine(const std::string& name) const {
    SIGRUN_TRY(file, plugins_.examine(name, [this](std::string_view kind) { return swappers_.contains(kind); }));
    if (file.changed && !options_.trial_program.empty()) {
        const auto scratch = options_.state_dir.empty() ? std::string("/tmp") : options_.state_dir + "/stage";
        SIGRUN_CHECK_OK(try_plugin(file.bytes, options_.trial_program, scratch, options_.trial_time));
    }
    return std::move(file);
}

result<reload_report> reloader::replace(const plugin_set::examined& file, time_point began) {
    SIGRUN_TRY(standby, plugins_.prepare(file));
    for (const auto& [old, now] : standby.instances)
        SIGRUN_CHECK_OK(swappers_.find(now->kind())->second.check(old, now));
    const auto ready = std::chrono::steady_clock::now();
    plugins_.commit(standby);
    for (const auto& [old, now] : standby.instances)
        if (!swappers_.find(now->kind())->second.swap(old, now))
            new std::shared_ptr<instance>(old);  // never let go: nobody can tell when the last thread has left it
    standby.report.prepared = ready - began;
    standby.report.swapped = std::chrono::steady_clock::now() - ready;
    for (const auto& [old, now] : standby.instances)
        if (const auto& settle = swappers_.find(now->kind())->second.settle) settle(old, now);
    return standby.report;
}

void reloader::reap() {
    if (!plugins_.reap()) return;
    reaping_.expires_after(k_reap_again);
    reaping_.async_wait([this](boost::system::error_code ec) {
        if (!ec) reap();
    });
}

void reloader::reload(std::string name, std::function<void(result<reload_report>)> done) {
    const auto began = std::chrono::steady_clock::now();
    auto examined = [this, began, name = std::move(name), done = std::move(done)]() mutable {
        auto file = examine(name);
        auto replaced = [this, began, name = std::move(name), done = std::move(done), file = std::move(file)] {
            auto report = !file            ? result<reload_report>(file.error())
                          : !file->changed ? result<reload_report>(file->report)
                          : stopped_ ? result<reload_report>(make_problem(errc::unavailable, "the program is stopping"))
                                     : replace(*file, began);
            if (!report) plugins_.note_refusal(name, report.error());
            done(report);
            if (!stopped_) reap();
        };
        boost::asio::post(rt_.control, std::move(replaced));
    };
    if (!rt_.work.post(std::move(examined), false)) SIGRUN_LOG(k_log, debug, "a reload came after the shutdown");
}

}  // namespace sigrun

#include "kernel/plugin/reloader.hpp"

#include "kernel/base/guarded.hpp"
#include "kernel/log/loggers.hpp"
#include "kernel/plugin/trial.hpp"

#include <boost/asio/post.hpp>

#include <chrono>
#include <filesystem>
#include <future>
#include <mutex>

namespace sigrun {
namespace {

constexpr std::chrono::milliseconds k_reap_again{20}, k_soon{0};
// That somebody asked for; of the files that changed no more wait than there are files.
constexpr std::size_t k_max_waiting = 64;

problem stopping() { return make_problem(errc::unavailable, "the program is stopping"); }

}  // namespace

void never_let_go(const std::shared_ptr<instance>& which) {
    static std::mutex mutex;
    static auto& kept = *new std::vector<std::shared_ptr<instance>>;
    SIGRUN_LOG(logs::plugin, warning, "instance ", which->name(), " of generation ", which->generation_number(),
               " stays for good: it could not be seen that every thread has left it");
    std::lock_guard lock(mutex);
    kept.push_back(which);
}

void reloader::set_swapper(std::string_view kind, swapper how) {
    swappers_.insert_or_assign(std::string(kind), std::move(how));
}

const swapper* reloader::swapper_of(const instance& which) const {
    const auto found = swappers_.find(which.kind());
    return found == swappers_.end() ? nullptr : &found->second;
}

void reloader::end() {
    ending_ = true;
    std::promise<void> over;
    boost::asio::post(rt_.control, [this, &over] {
        stopped_ = true;
        reaping_.cancel();
        judging_.cancel();
        const problem why = stopping();
        for (auto& each : std::exchange(waiting_, {})) each(&why);
        on_probation_.clear();
        over.set_value();
    });
    over.get_future().wait();
}

void reloader::in_turn(step what) {
    boost::asio::post(rt_.control, [this, what = std::move(what)]() mutable { enqueue(std::move(what), true); });
}

void reloader::enqueue(step what, bool refusable) {
    if (stopped_) {
        const problem why = stopping();
        return what(&why);
    }
    if (refusable && waiting_.size() >= k_max_waiting) {
        const problem why{errc::busy,
                          "too many changes of plugins wait already",
                          "",
                          "fewer than " + std::to_string(k_max_waiting),
                          std::to_string(waiting_.size()),
                          1000};
        return what(&why);
    }
    waiting_.push_back(std::move(what));
    advance();
}

void reloader::advance() {
    if (busy_ || waiting_.empty()) return;
    busy_ = true;
    const step first = std::move(waiting_.front());
    waiting_.pop_front();
    first(nullptr);
}

void reloader::next() {
    busy_ = false;
    if (stopped_) return;
    // Not in this step: what the new one posted while it was started, such as its look at what it follows, comes before the
    // old one goes.
    reap_after(k_soon);
    count_states();
    advance();
}

void reloader::tell(plugin_event what) {
    if (observer_) observer_(what);
}

void reloader::count_states() {
    const auto now = plugins_.states();
    for (auto state : {plugin_state::probation, plugin_state::active, plugin_state::warm, plugin_state::draining,
                       plugin_state::retired, plugin_state::rejected}) {
        const auto found = now.find(state);
        rt_.numbers
            .get_gauge("sigrun_plugin_generations", "Plugin generations by state",
                       {{"state", std::string(to_string(state))}})
            .set(found == now.end() ? 0 : static_cast<double>(found->second));
    }
}

void reloader::reload(std::string name, reload_options how, std::function<void(result<reload_report>)> done) {
    auto what =
        std::make_shared<errand>(errand{std::move(name), how, std::move(done), std::chrono::steady_clock::now(), {}});
    in_turn([this, what](const problem* refused) {
        if (refused) return what->done(*refused);
        begin(what);
    });
}

void reloader::begin(const std::shared_ptr<errand>& what) {
    auto look = [this, what] {
        auto examined = guarded([&] { return examine(*what); });
        boost::asio::post(rt_.control, [this, what, examined = std::move(examined)] {
            conclude(*what, examined);
            next();
        });
    };
    if (rt_.work.post(std::move(look), false)) return;
    what->done(stopping());
    next();
}

// What may take long, or writes files.
result<void> reloader::examine(errand& what) const {
    auto replaceable = [this](std::string_view kind) { return swappers_.contains(kind); };
    SIGRUN_CHECK_OK(plugins_.examine(what.name, what.how.automatic, replaceable, what.file));
    if (!what.file.changed) return {};
    plugins_.note_newest(what.file.file, what.file.identity.version, what.file.sha256, plugin_state::staged);
    if (!options_.trial_program.empty()) SIGRUN_CHECK_OK(on_trial(what));
    plugins_.begin_probation(what.file);
    return {};
}

result<void> reloader::on_trial(errand& what) const {
    const auto scratch = options_.state_dir.empty() ? std::string("/tmp") : options_.state_dir + "/stage";
    SIGRUN_CHECK_OK(try_plugin(what.file.bytes,
                               {options_.trial_program, scratch, trial_limits::of(options_.trial_time), &ending_}));
    plugins_.note_newest(what.file.file, what.file.identity.version, what.file.sha256, plugin_state::tried);
    return {};
}

void reloader::conclude(errand& what, result<void> examined) {
    const auto& file = what.file;
    result<reload_report> report = file.report;
    if (ending_)
        report = stopping();
    else if (!examined)
        report = examined.error();
    else if (file.changed)
        report = guarded([&] { return file.added ? add(file, what) : replace(file, what); });
    else if (file.current) {
        plugins_.note_current(file);
        if (!what.how.probation) report->probation_ended = settle(file.id);
    }
    if (!report && !ending_ && !file.file.empty() && report.error().code != errc::not_found &&
        plugins_.note_refusal(file, report.error()))
        tell({plugin_event::kind::rejected, file.id.empty() ? file.file : file.id, file.report.old_version,
              file.identity.version, file.report.old_generation, report.error().text()});
    what.done(std::move(report));
}

result<reload_report> reloader::replace(const plugin_set::examined& file, const errand& what) {
    SIGRUN_TRY(standby, plugins_.prepare(file));
    for (const auto& [old, now] : standby.instances) SIGRUN_CHECK_OK(swapper_of(*now)->check(old, now));
    settle(file.id);  // nothing can fail any more: until here the generation before might have had to come back
    const bool warm = what.how.probation && options_.probation > nanoseconds(0);
    const auto ready = std::chrono::steady_clock::now();
    const call_counts before = counts_of(standby, true), start = counts_of(standby, false);
    plugins_.commit(standby, warm);
    for (const auto& [old, now] : standby.instances)
        if (!swapper_of(*now)->swap(old, now)) never_let_go(old);
    standby.report.prepared = ready - what.began;
    standby.report.swapped = std::chrono::steady_clock::now() - ready;
    standby.report.probation = warm ? options_.probation : nanoseconds(0);
    const reload_report report = standby.report;
    tell({warm ? plugin_event::kind::probation : plugin_event::kind::replaced, report.id, report.old_version,
          report.new_version, report.new_generation, ""});
    if (!warm) {
        let_go(standby);
        return report;
    }
    on_probation_.insert_or_assign(
        file.id, on_probation{std::move(standby), probation_judge(before, start), ready + options_.probation});
    judge();
    return report;
}

result<reload_report> reloader::add(const plugin_set::examined& file, const errand& what) {
    SIGRUN_TRY(fresh, plugins_.prepare_addition(file));
    for (const auto& each : fresh.instances)
        if (const swapper* how = swapper_of(*each); !how || !how->add)
            return problem{errc::unsupported,
                           "a new plugin of this kind is taken at the next start, not while the program runs", "kind",
                           "a kind that can be added", each->kind()};
    fresh.report.prepared = std::chrono::steady_clock::now() - what.began;
    const auto instances = fresh.instances;
    const reload_report report = fresh.report;
    const std::string path = file.file;
    const bool used = fresh.code != nullptr;
    plugins_.commit(fresh);
    if (!used) return report;
    for (std::size_t i = 0; i < instances.size(); ++i) {
        auto added = swapper_of(*instances[i])->add(instances[i]);
        if (added) continue;
        for (std::size_t j = 0; j < i; ++j)
            if (const swapper* how = swapper_of(*instances[j]); how->remove) (void)how->remove(instances[j]);
        if (auto gone = plugins_.removable(path, true)) plugins_.take_out(*gone);
        return added.error();
    }
    tell({plugin_event::kind::loaded, report.id, "", report.new_version, report.new_generation, ""});
    return report;
}

void reloader::file_changed(const std::string& path) {
    std::error_code ec;
    if (std::filesystem::symlink_status(path, ec).type() != std::filesystem::file_type::not_found) {
        if (!files_waiting_.insert(path).second) return;
        auto what = std::make_shared<errand>(errand{
            path, {.automatic = true}, [](const result<reload_report>&) {}, std::chrono::steady_clock::now(), {}});
        auto look = [this, what](const problem* refused) {
            files_waiting_.erase(what->name);
            if (!refused) begin(what);
        };
        return enqueue(std::move(look), false);
    }
    if (auto of = plugins_.note_gone(path))
        tell({plugin_event::kind::gone, of->id, of->version, "", of->generation, of->reason});
    count_states();
}

void reloader::pin(std::string name, bool pinned, std::function<void(result<void>)> done) {
    in_turn([this, name = std::move(name), pinned, done = std::move(done)](const problem* refused) {
        if (refused) return done(*refused);
        auto write = [this, name, pinned, done] {
            auto outcome = guarded([&] { return plugins_.pin(name, pinned); });
            boost::asio::post(rt_.control, [this, done, outcome = std::move(outcome)] {
                done(outcome);
                next();
            });
        };
        if (rt_.work.post(std::move(write), false)) return;
        done(stopping());
        next();
    });
}

void reloader::remove(std::string name, bool force, std::function<void(result<std::string>)> done) {
    in_turn([this, name = std::move(name), force, done = std::move(done)](const problem* refused) {
        if (refused) return done(*refused);
        done(guarded([&] { return take_out(name, force); }));
        next();
    });
}

result<std::string> reloader::take_out(const std::string& name, bool force) {
    SIGRUN_TRY(found, plugins_.removable(name, force));
    const plugin_set::departure which = std::move(found);
    for (const auto& each : which.instances)
        if (const swapper* how = swapper_of(*each); !how || !how->remove)
            return problem{
                errc::unsupported,
                "a plugin of this kind cannot be taken out of service while the program runs; take its file away "
                "and restart",
                "kind", "a kind that can be removed", each->kind()};
    settle(which.id);
    // Out of sight of the next start, and still there for whoever did not mean it.
    namespace fs = std::filesystem;
    const fs::path aside =
        fs::path(which.file).parent_path() / ("." + fs::path(which.file).filename().string() + ".removed");
    std::error_code ec;
    const bool there = fs::exists(fs::symlink_status(which.file, ec));
    if (there) fs::rename(which.file, aside, ec);
    if (there && ec)
        return problem{errc::io, "its file cannot be moved aside", "file", "a folder this program can write",
                       which.file + ": " + ec.message()};
    for (std::size_t i = 0; i < which.instances.size(); ++i) {
        auto gone = swapper_of(*which.instances[i])->remove(which.instances[i]);
        if (gone) continue;
        for (std::size_t j = 0; j < i; ++j)
            if (const swapper* how = swapper_of(*which.instances[j]); how->add) (void)how->add(which.instances[j]);
        if (there) fs::rename(aside, which.file, ec);
        return gone.error();
    }
    plugins_.take_out(which);
    tell({plugin_event::kind::removed, which.id.empty() ? which.file : which.id, which.version, "", which.generation,
          ""});
    return there ? aside.string() : std::string();
}

void reloader::reap() {
    std::vector<plugin_set::ended> ended;
    const bool more = plugins_.reap(ended);
    for (auto& each : ended)
        tell({plugin_event::kind::retired, each.id, each.version, "", each.generation,
              each.resident.empty() ? "" : "its code stays mapped: " + each.resident});
    if (!ended.empty()) count_states();
    if (more) reap_after(k_reap_again);
}

void reloader::reap_after(std::chrono::milliseconds wait) {
    reaping_.expires_after(wait);
    reaping_.async_wait([this](boost::system::error_code ec) {
        if (!ec && !stopped_) reap();
    });
}

}  // namespace sigrun

// Generations are replaced while threads call: nothing is lost, nothing answered twice, and each old one goes.
#include "second_version.hpp"

#include <atomic>
#include <mutex>
#include <thread>

namespace sigrun::check {
namespace {

using sdk::concat;

constexpr std::string_view k_load_rules[] = {"reload-under-load/no-call-lost", "reload-under-load/quiet"};

// One generation with an instance of each component. Who holds it may call it.
struct generation_in_use {
    explicit generation_in_use(session in) : s(in), r(s) {}
    session s;
    rig r;
    std::vector<std::pair<sigrun_instance*, const component_record*>> instances;
    std::mutex one_at_a_time;  // a probe is never asked twice at once

    bool begin() {
        if (!r) return false;
        for (const auto& component : r.about().components) {
            if (!r.bind(component)) continue;
            auto* instance = r.running(component);
            if (!instance) return false;
            instances.emplace_back(instance, &component);
        }
        return true;
    }
    // False: something was left that keeps its code from being unloaded.
    bool end(std::string& left) {
        for (auto& [instance, component] : instances) {
            if (const auto op = r.drain(instance, in_ms(1000)))
                if (!r.host().wait(op).done) left = "its drain";
            r.destroy(instance);
        }
        r.finish();
        if (const auto ops = r.host().open_ops(); !ops.empty()) left = "ops: " + ops;
        if (const auto names = r.host().live_threads(); !names.empty()) left = "threads: " + names;
        if (const auto n = r.host().live_timers()) left = concat(n, " timers");
        if (const auto n = r.host().live_buffers()) left = concat(n, " buffers");
        return left.empty();
    }
};

void under_load(session& s) {
    auto skip_all = [&](const std::string& why) {
        for (auto id : k_load_rules) s.report.skip(id, why);
    };
    if (s.file.note.flags & SIGRUN_PLUGIN_NO_SIDE_BY_SIDE)
        return skip_all("it is marked SIGRUN_PLUGIN_NO_SIDE_BY_SIDE");
    s.report.begin("reload-under-load/no-call-lost");
    auto current = std::make_shared<generation_in_use>(s);
    if (!current->begin()) return;
    std::mutex mutex;
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> calls{0};
    std::atomic<bool> lost{false};
    auto load = [&] {
        while (!stop && !lost) {
            std::shared_ptr<generation_in_use> mine;
            {
                std::lock_guard lock(mutex);
                mine = current;
            }
            for (const auto& [instance, component] : mine->instances) {
                std::unique_lock turn(mine->one_at_a_time, std::defer_lock);
                if (component->kind == "sigrun.probe/1") turn.lock();
                if (const auto problem = exercise(mine->r, instance, *component);
                    !problem.empty() && !lost.exchange(true))
                    s.report.fail("reload-under-load/no-call-lost", "every call is answered while versions change",
                                  concat(problem, " (call ", calls.load(), ")"));
                ++calls;
            }
            nap(1);  // a load that leaves the replacing thread its share of a busy machine
        }
    };
    std::thread callers[] = {std::thread(load), std::thread(load)};
    std::deque<subject> versions;  // outlive the generations that refer to them
    std::string left;
    unsigned replaced = 0;
    for (unsigned turn = 1; turn <= s.args.reloads && !lost && left.empty(); ++turn) {
        s.report.set_context({});
        const auto other = with_other_version(s.file, current->r.code(), turn);
        versions.push_back(other.bytes.empty() ? s.file : as_version(s.file, other));
        session next_session{s.args, versions.back(), s.report, s.scratch};
        auto next = std::make_shared<generation_in_use>(next_session);
        if (!next->begin()) break;
        {
            std::lock_guard lock(mutex);
            current.swap(next);
        }
        // Until no caller is inside the old one any more; then it is this thread's alone.
        if (!eventually([&] { return next.use_count() == 1; }, 10'000)) {
            left = "a call that does not return";
            break;
        }
        next->end(left);
        const auto seen = calls.load();
        eventually([&] { return calls.load() > seen || lost; }, 5000);
        ++replaced;
    }
    stop = true;
    for (auto& t : callers) t.join();
    current->end(left);
    if (!s.report.failed("reload-under-load/no-call-lost") && replaced)
        s.report.pass("reload-under-load/no-call-lost", concat(calls.load(), " calls, ", replaced, " versions"));
    if (left.empty())
        s.report.pass_unless_told("reload-under-load/quiet");
    else
        s.report.fail("reload-under-load/quiet", "an old version that nobody calls becomes quiet", left);
}

}  // namespace

std::vector<test> reload_tests() {
    return {{"under-load", {std::begin(k_load_rules), std::end(k_load_rules)}, &under_load, {}, 3}};
}

}  // namespace sigrun::check

#include "kernel/app/sigrun/probe_watch.hpp"

#include "kernel/app/sigrun/cell_text.hpp"
#include "kernel/app/sigrun/fact_changes.hpp"
#include "kernel/app/sigrun/waiter.hpp"
#include "kernel/capability/events/change_watch.hpp"
#include "kernel/capability/events/machine_changes.hpp"

#include <atomic>
#include <mutex>
#include <utility>

namespace sigrun::cli {
namespace {

constexpr std::chrono::seconds k_look{1};  // at what is past its time; what is good costs nothing

/// The newest document on its way to the main thread.
struct arrival {
    std::mutex mutex;
    capability_ptr newest;
};

void tell(context& ctx, const capability_document& before, const capability_document& after, bool json) {
    const auto now = clock::system().wall_ns();
    std::string out;
    for (const auto& change : changes_between(before, after))
        out +=
            (json ? json::serialize(to_json(change, now)) : to_rfc3339(now) + " " + printable(line_of(change))) + "\n";
    if (!out.empty()) ctx.print(out);
}

}  // namespace

int watch_facts(context& ctx, plugin_host& host, detector& from, detect_options options, capability_ptr first,
                bool json) {
    auto& waits = ctx.waits();
    options.fresh = false;
    options.patience = nanoseconds(0);  // a probe that hangs holds up no other's news
    const auto changed = std::make_shared<std::atomic<bool>>(false);
    const auto look_again = [changed, &waits] {
        *changed = true;
        waits.wake();
    };
    from.set_observer(look_again);
    std::unique_ptr<change_watch> events;
    if (options.sysroot.empty()) {
        events = std::make_unique<change_watch>(host.io(), machine_changes(host), [&](const auto& prefixes) {
            from.expire(prefixes);
            look_again();
        });
        events->start();
    }
    const auto come = std::make_shared<arrival>();
    auto next_look = clock::system().now();
    for (bool asked = false;;) {
        const auto end = waits.wait_until(next_look);
        {
            std::lock_guard lock(come->mutex);
            if (auto now = std::exchange(come->newest, nullptr)) {
                asked = false;
                if (now != first) tell(ctx, *first, *now, json);
                first = std::move(now);
            }
        }
        if (end == waiter::outcome::interrupted) return k_ok;  // the way to end an endless stream
        if (asked || (clock::system().now() < next_look && !changed->exchange(false))) continue;
        asked = true;
        next_look = clock::system().now() + k_look;
        from.detect(options, [come, &waits](capability_ptr found) {
            {
                std::lock_guard lock(come->mutex);
                come->newest = std::move(found);
            }
            waits.wake();
        });
    }
}

}  // namespace sigrun::cli

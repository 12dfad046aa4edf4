// The host's record of one plugin generation: what a sigrun_host points to. It lives until the process ends,
// because a plugin that stays mapped may call its host at any time; after retirement every slot refuses.
#pragma once

#include "kernel/log/log.hpp"
#include "kernel/plugin/call_counts.hpp"
#include "kernel/plugin/runtime.hpp"
#include "kernel/plugin/schedule.hpp"

#include <sigrun/host.h>
#include <sigrun/net.h>

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <variant>
#include <vector>

/// A metric handle as plugins hold it.
struct sigrun_metric {
    std::variant<sigrun::counter, sigrun::gauge> number;
    const std::atomic<bool>* retired;
};

namespace sigrun {

class guest;

/// The sigrun_host that one instance (or, while loading, the plugin as such) was given.
struct host_face {
    host_face(guest& of, std::string called);

    sigrun_host abi{};
    guest& owner;
    std::string name;
    logger log;
    /// Set before the instance is started; empty for the face that `load` and `unload` get.
    std::weak_ptr<instance> holder;
    /// Of the protocol whose face it is; found at its first call, so that nothing else has one.
    std::atomic<protocol_traffic*> traffic{nullptr};

    static host_face& of(const sigrun_host* host) noexcept { return *static_cast<host_face*>(host->ctx); }
};

class guest {
public:
    /// Never destroyed.
    static guest& make(std::uint64_t number, std::string plugin_id, std::shared_ptr<runtime> rt);
    host_face& add_face(std::string name);

    bool retired() const noexcept { return retired_.load(std::memory_order_acquire); }
    /// What may still run in the plugin or call into it, as text: "2 threads, 1 timer"; empty = quiet.
    std::string still_open() const;
    /// The same one by one, with the names of threads.
    std::vector<std::string> open_things() const;
    /// From now on every slot refuses. A quiet guest lets the runtime go.
    void retire() noexcept;

    /// Gives up its dials, and waits a little until the last `done` has returned.
    void end_dials() noexcept;

    std::uint64_t thread_entered(std::string name);
    void thread_left(std::uint64_t token);
    /// Same name and labels: same handle. Null: refused.
    sigrun_metric* metric(bool is_counter, std::string_view name, std::string_view help, metric_labels labels) noexcept;

    const std::uint64_t number;
    const std::string plugin_id;
    std::shared_ptr<runtime> rt;
    const schedule_count scheduled = std::make_shared<std::atomic<std::int64_t>>(0);
    const schedule_count posted = std::make_shared<std::atomic<std::int64_t>>(0);
    const schedule_count dials = std::make_shared<std::atomic<std::int64_t>>(0);  // whose `done` has not returned
    call_counter calls;

private:
    guest(std::uint64_t n, std::string id, std::shared_ptr<runtime> r)
        : number(n), plugin_id(std::move(id)), rt(std::move(r)) {}

    std::atomic<bool> retired_{false};
    mutable std::mutex mutex_;
    std::deque<host_face> faces_;
    std::map<std::uint64_t, std::string> threads_;
    std::uint64_t next_thread_ = 1;
    std::map<std::string, std::unique_ptr<sigrun_metric>> metrics_;
};

/// Fills the slots of a host table.
void fill_host(sigrun_host& abi) noexcept;
/// The table behind "sigrun.host.sched/1".
const sigrun_svc_sched& sched_service() noexcept;
/// The table behind "sigrun.host.net/1".
const sigrun_svc_net& net_service() noexcept;
/// The tables behind "sigrun.host.call/1" and "sigrun.host.link/1".
const sigrun_svc_call& call_service() noexcept;
const sigrun_svc_link& link_service() noexcept;

}  // namespace sigrun

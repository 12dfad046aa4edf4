// A host that checks who calls it, from where, and what is left at the end. It has real threads for its lanes, real timers
// and buffers, and can refuse any of its services: one call of a kind, a whole service, or everything behind a slot.
//
// [any]. Findings go to the reporter at once; counts are asked for at the end.
#pragma once

#include "guarded_table.hpp"
#include "report.hpp"

#include <sigrun/cpp/mock_net.hpp>
#include <sigrun/cpp/mock_sched.hpp>
#include <sigrun/plugin.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

namespace sigrun::check {

/// What a host withholds.
struct faults {
    std::uint32_t fail_call = 0;  // the n-th call that may fail does, from 1; 0 = none
    std::string missing;          // id of a service that is not there; "*" = none is there
    std::string cut;              // id of a service, or "sigrun_host", whose table ends early ...
    std::uint32_t cut_size = 0;   // ... at so many bytes
    std::uint32_t grown = 0;      // every table says it is larger by so many bytes, as a newer host's would be
};

/// Which thread tag the code that runs now has.
enum class tag : std::uint8_t { foreign, ctl, io, work, any, hot, own };

class check_host {
public:
    explicit check_host(reporter& report, faults withheld = {});
    ~check_host();
    check_host(const check_host&) = delete;
    check_host& operator=(const check_host&) = delete;

    const sigrun_host* abi() const noexcept { return host_table_->get(); }

    // ---- Running plugin code with the tag its slot has. They wait for its return; what it throws is a finding.
    void ctl(std::string_view slot, const std::function<void()>& body) { on_lane(tag::ctl, slot, body); }
    void io(std::string_view slot, const std::function<void()>& body) { on_lane(tag::io, slot, body); }
    void work(std::string_view slot, const std::function<void()>& body) { on_lane(tag::work, slot, body); }
    /// On the caller's thread.
    void here(tag as, std::string_view slot, const std::function<void()>& body);

    // ---- Ops
    struct completion {
        bool done = false;
        sigrun_result result = SIGRUN_PENDING;
        std::string text;
    };
    sigrun_op mint(std::string_view what);
    /// The starting call failed.
    void forget(sigrun_op op);
    /// done is false when the time is over; by default that of set_patience.
    completion wait(sigrun_op op, int limit_ms = -1);
    void set_patience(int ms) noexcept { patience_ms_ = ms; }
    int patience() const noexcept { return patience_ms_; }
    bool completed(sigrun_op op) const;

    // ---- What the kernel behind a protocol does: every call is answered by one REPLY with this JSON.
    void answer_calls_later(bool later) noexcept { later_ = later; }

    /// Calls back into the plugin on the stack of each of its calls; null = no more.
    void set_reentry(std::function<void(std::string_view slot)> reenter);

    // ---- What is left
    std::string open_ops() const;  // "drain, run"; empty = none
    std::size_t live_buffers() const;
    std::string live_threads() const;
    std::size_t live_timers() const;
    std::uint32_t fallible_calls() const noexcept { return fallible_; }
    /// The call that fail_call hit, "buffer.create"; empty = none.
    std::string injected() const;
    /// Calls on the stack of the slot that was named last; other threads of the plugin may be calling all the time.
    /// `effects`: only those that change something: timers, watches, posts, threads, metrics, completions.
    void count_calls_of(const char* slot) noexcept {
        counted_slot_ = slot;
        calls_ = effects_ = 0;
    }
    std::uint64_t calls() const noexcept { return calls_; }
    std::uint64_t effects() const noexcept { return effects_; }
    /// Waits until no posted function of the plugin is or will be running: whoever unmaps its code comes after. False: one
    /// goes on for longer than set_patience.
    bool quiesce();

    struct slots;  // the functions of the tables, in check_host_services.cpp

private:
    friend struct slots;
    struct op_record {
        std::string what;
        bool is_void = false;
        completion how;
    };
    struct buffer;
    struct scheduled {
        check_host* owner;
        std::uint64_t id = 0;  // of the lane
        bool repeats = false;
        bool stopped = false;
        sigrun_fn fn = nullptr;
        void (*on_fd)(void*, std::int32_t, std::uint32_t) = nullptr;
        void* ctx = nullptr;
        bool live = true;
    };
    struct later_call {
        check_host* owner;
        sigrun_sink sink;
        std::uint64_t id;
    };

    void on_lane(tag as, std::string_view slot, const std::function<void()>& body);
    /// Each entry of the plugin into the host. False: this call is the one to refuse.
    bool enter(std::string_view slot, bool can_fail, bool has_effect);
    template <class Table>
    void offer(const char* id, const Table& table);

    reporter& report_;
    const faults withheld_;
    std::unique_ptr<guarded_table<sigrun_host>> host_table_;
    std::map<std::string, std::unique_ptr<guarded_bytes>, std::less<>> services_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<op_record> ops_;
    std::deque<std::unique_ptr<buffer>> buffers_;
    std::deque<std::unique_ptr<scheduled>> scheduled_;
    std::map<std::uint64_t, std::string> threads_;
    std::uint64_t next_thread_ = 0, next_call_ = 0;
    std::set<std::uint64_t> open_calls_;
    std::deque<std::unique_ptr<later_call>> later_calls_;
    std::map<std::string, double> metrics_;
    std::function<void(std::string_view)> reenter_;
    std::string injected_;
    int patience_ms_ = 5000;
    std::atomic<std::uint32_t> fallible_{0};
    std::atomic<const char*> counted_slot_{nullptr};
    std::atomic<std::uint64_t> calls_{0}, effects_{0};
    std::atomic<int> posted_{0};  // functions that wait for a lane or run on it
    std::atomic<bool> later_{false};
    sdk::mock::lane answers_{1};  // replies, and the ends of calls behind them
    sdk::mock::scheduler sched_;
    sdk::mock::dialler dials_;  // these three last: their threads end before what they use
};

}  // namespace sigrun::check

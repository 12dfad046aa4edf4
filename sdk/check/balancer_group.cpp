// Balancers: what pick may return, and what it must not do on the way.
#include "fleet.hpp"
#include "interposed.hpp"
#include "rig.hpp"

#include <sigrun/balancer.h>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <deque>
#include <initializer_list>

namespace sigrun::check {
namespace {

using sdk::concat;

constexpr std::string_view k_balancer = "sigrun.balancer/1";

// A balancer with the state of one dispatching thread. `rules`: those that cannot be looked at where it places no jobs itself.
class picker {
public:
    picker(rig& r, const fleet& f, std::initializer_list<const char*> rules) : r_(r) {
        const auto* component = r ? r.component_of(k_balancer) : nullptr;
        instance_ = component ? r.running(*component) : nullptr;
        table_ = instance_ ? r.table<sigrun_balancer>(instance_, *component) : nullptr;
        if (!table_ || !SIGRUN_HAS(table_, pick)) {
            table_ = nullptr;
            return;
        }
        if (SIGRUN_HAS(table_, decide)) {  // the host asks that instead
            table_ = nullptr;
            for (const auto rule : rules)
                r.report().skip(rule, "it chooses among the others: no job is placed by its pick");
            return;
        }
        if (SIGRUN_HAS(table_, on_snapshot)) {
            const sigrun_delta all{sizeof all, 0, 0, nullptr};
            r.host().work("balancer.on_snapshot", [&] { table_->on_snapshot(instance_, &f.view(), &all); });
        }
        state_ = new_state();
    }
    ~picker() {
        if (table_) free_state(state_);
    }
    picker(const picker&) = delete;
    picker& operator=(const picker&) = delete;
    explicit operator bool() const noexcept { return table_ != nullptr; }
    const sigrun_balancer& table() const noexcept { return *table_; }

    void* new_state() {
        void* state = nullptr;
        if (SIGRUN_HAS(table_, thread_init))
            r_.host().work("balancer.thread_init", [&] { state = table_->thread_init(instance_, 0); });
        return state;
    }
    void free_state(void* state) {
        if (SIGRUN_HAS(table_, thread_fini))
            r_.host().work("balancer.thread_fini", [&] { table_->thread_fini(instance_, state); });
    }
    sigrun_pick pick(const fleet& f, const sigrun_req& req, bool all, void* state = nullptr,
                     std::uint32_t* count = nullptr) {
        sigrun_pick out{};
        std::uint32_t n = 0;
        r_.host().here(tag::hot, "balancer.pick", [&] {
            n = table_->pick(state ? state : state_, &f.view(), &req, 1, f.pages_of(all).data(), &out);
        });
        if (count) *count = n;
        return out;
    }
    void* state() const noexcept { return state_; }

private:
    rig& r_;
    sigrun_instance* instance_ = nullptr;
    const sigrun_balancer* table_ = nullptr;
    void* state_ = nullptr;
};

void picks(session& s) {
    s.report.begin("kind/pick-in-range");
    fleet f(8);
    rig r(s);
    picker p(r, f,
             {"kind/pick-in-range", "kind/pick-feasible", "kind/pick-count", "kind/pick-share", "kind/pick-full"});
    if (!p) return;
    std::vector<std::uint32_t> share(f.slots());
    constexpr std::uint64_t k_jobs = 4096;
    std::uint32_t wrong_count = 0;
    std::deque<std::uint32_t> jobs;  // slots, oldest first
    for (std::uint64_t i = 0; i < k_jobs; ++i) {
        const bool all = i % 4 != 0;
        std::uint32_t count = 0;
        const auto pick = p.pick(f, f.request(i, static_cast<std::uint16_t>(1 + i % 4), all), all, nullptr, &count);
        if (pick.n > 4) return s.report.fail("kind/pick-in-range", "at most 4 alternates", concat(unsigned{pick.n}));
        wrong_count += count != (pick.n > 0);
        for (unsigned k = 0; k < pick.n; ++k) {
            if (pick.slot[k] >= f.slots())
                return s.report.fail("kind/pick-in-range", concat("slots below ", f.slots()),
                                     concat("slot ", pick.slot[k]));
            if (!all && !(pick.slot[k] / fleet::k_slots_per_page % 2))
                return s.report.fail("kind/pick-feasible", "slots of the request's own pages only",
                                     concat("slot ", pick.slot[k], ", whose page the request does not allow"));
            if (!f.free(pick.slot[k]))
                return s.report.fail("kind/pick-feasible", "slots that can take a job",
                                     concat("slot ", pick.slot[k], ", which is full"));
        }
        if (!pick.n) continue;
        ++share[pick.slot[0]];
        // Jobs come and go: there are as many as runners, so the fleet has four times the room they need.
        f.set_load(pick.slot[0], f.load(pick.slot[0]) + 1);
        jobs.push_back(pick.slot[0]);
        if (jobs.size() > f.slots()) {
            f.set_load(jobs.front(), f.load(jobs.front()) - 1);
            jobs.pop_front();
        }
    }
    s.report.pass_unless_told("kind/pick-in-range");
    s.report.pass_unless_told("kind/pick-feasible");
    if (wrong_count)
        s.report.fail("kind/pick-count", "the number of requests that were placed",
                      concat("another number in ", wrong_count, " of ", k_jobs, " calls"));
    else
        s.report.pass("kind/pick-count");
    // How wide the jobs are spread is the balancer's own business: one may fill runner after runner. But none may stay
    // empty while jobs find no place, so the fleet is filled until nothing is picked any more.
    s.report.begin("kind/pick-share");
    const auto used = f.slots() - std::count(share.begin(), share.end(), 0u);
    constexpr std::uint64_t k_misses = 64;  // a balancer that draws at random may miss the last free places
    for (std::uint64_t i = k_jobs, misses = 0; misses < k_misses; ++i) {
        const auto pick = p.pick(f, f.request(i), true);
        if (pick.n && pick.slot[0] < f.slots() && f.free(pick.slot[0])) {
            f.set_load(pick.slot[0], f.load(pick.slot[0]) + 1);
            ++share[pick.slot[0]];
            misses = 0;
        } else {
            ++misses;
        }
    }
    const auto forgotten = std::count(share.begin(), share.end(), 0u);
    if (forgotten)
        s.report.fail("kind/pick-share", "no pick only when no runner is free",
                      concat(forgotten, " of ", f.slots(), " runners never got a job while jobs waited"));
    else
        s.report.pass("kind/pick-share", concat(used, " of ", f.slots(), " runners used by ", k_jobs, " jobs"));

    s.report.begin("kind/pick-full");
    for (std::uint32_t slot = 0; slot < f.slots(); ++slot) f.set_load(slot, 4);
    const auto pick = p.pick(f, f.request(1), true);
    if (pick.n)
        s.report.fail("kind/pick-full", "no pick in a full fleet", concat("slot ", pick.slot[0]));
    else
        s.report.pass("kind/pick-full");
}

void deterministic(session& s) {
    s.report.begin("kind/pick-deterministic");
    fleet f(8);
    rig r(s);
    picker p(r, f, {"kind/pick-deterministic"});
    if (!p) return;
    if (!(p.table().caps & SIGRUN_BALANCER_DETERMINISTIC))
        return s.report.skip("kind/pick-deterministic", "it does not claim SIGRUN_BALANCER_DETERMINISTIC");
    for (std::uint32_t slot = 0; slot < f.slots(); ++slot) f.set_load(slot, (slot * 7) % 5);
    void* states[] = {p.new_state(), p.new_state()};
    for (std::uint64_t i = 0; i < 1000; ++i) {
        const auto req = f.request(i, 2);
        const auto one = p.pick(f, req, true, states[0] ? states[0] : p.state());
        const auto two = p.pick(f, req, true, states[1] ? states[1] : p.state());
        if (one.n != two.n || !std::equal(one.slot, one.slot + std::min<int>(one.n, 4), two.slot)) {
            s.report.fail("kind/pick-deterministic", "equal picks for equal views, requests and states",
                          concat("slot ", one.slot[0], " and slot ", two.slot[0], " for request ", i));
            break;
        }
    }
    for (void* state : states) p.free_state(state);
    s.report.pass_unless_told("kind/pick-deterministic");
}

void hot_path(session& s) {
    s.report.begin("kind/pick-allocates");
    fleet f(8);
    rig r(s);
    picker p(r, f, {"kind/pick-allocates", "kind/pick-calls-host", "kind/pick-time"});
    if (!p) return;
    for (std::uint64_t i = 0; i < 64; ++i) p.pick(f, f.request(i), true);  // what the first calls set up is theirs
    constexpr std::uint64_t k_picks = 20'000;
    std::vector<sigrun_req> requests;
    for (std::uint64_t i = 0; i < k_picks; ++i) requests.push_back(f.request(i));
    sigrun_pick out{};
    std::int64_t allocations = 0;
    std::uint64_t took = 0;
    r.host().here(tag::hot, "balancer.pick", [&] {
        const auto began = now_ns();
        const allocation_count counting;
        for (const auto& req : requests) p.table().pick(p.state(), &f.view(), &req, 1, f.pages_of(true).data(), &out);
        allocations = counting.seen();
        took = now_ns() - began;
    });
    if (allocations > 0)
        s.report.fail("kind/pick-allocates", "no allocation in pick", concat(allocations, " in ", k_picks, " picks"));
    else if (allocations < 0)
        s.report.skip("kind/pick-allocates", "not counted in a sanitized build");
    else
        s.report.pass("kind/pick-allocates");
    s.report.pass_unless_told("kind/pick-calls-host");
    const auto each = took / k_picks;
    if (each > 2000)
        s.report.warn("kind/pick-time", "less than 2 us a pick", concat(each, " ns"));
    else
        s.report.pass("kind/pick-time", concat(each, " ns a pick, 512 runners"));
}

#if defined(__x86_64__)
volatile sig_atomic_t g_system_call = -1;

void on_system_call(int, siginfo_t* info, void*) { g_system_call = info->si_syscall; }

// From here on system calls other than those for reporting do not happen; the first one is noted.
bool forbid_system_calls() {
    struct sigaction action {};
    action.sa_sigaction = &on_system_call;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    ::sigaction(SIGSYS, &action, nullptr);
    auto allow = [](std::uint32_t number, std::uint8_t skip) {
        return sock_filter{BPF_JMP | BPF_JEQ | BPF_K, skip, 0, number};
    };
    const sock_filter program[] = {{BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
                                   allow(__NR_write, 3),
                                   allow(__NR_exit_group, 2),
                                   allow(__NR_rt_sigreturn, 1),
                                   {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_TRAP},
                                   {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
    const sock_fprog whole{static_cast<unsigned short>(std::size(program)), const_cast<sock_filter*>(program)};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &whole) == 0;
}
#endif

void system_calls(session& s) {
    s.report.begin("kind/pick-system-calls");
#if defined(__x86_64__)
    if (s.args.in_process || k_sanitized)
        return s.report.skip("kind/pick-system-calls", "not with --in-process or a sanitizer");
    fleet f(8);
    rig r(s);
    picker p(r, f, {"kind/pick-system-calls"});
    if (!p) return;
    for (std::uint64_t i = 0; i < 64; ++i) p.pick(f, f.request(i), true);
    std::vector<sigrun_req> requests;
    for (std::uint64_t i = 0; i < 2000; ++i) requests.push_back(f.request(i));
    sigrun_pick out{};
    s.report.step("balancer.pick without system calls");
    if (!forbid_system_calls()) return s.report.skip("kind/pick-system-calls", "this kernel has no seccomp filters");
    for (const auto& req : requests) p.table().pick(p.state(), &f.view(), &req, 1, f.pages_of(true).data(), &out);
    const int seen = g_system_call;
    if (seen >= 0)
        s.report.fail("kind/pick-system-calls", "no system call in pick", concat("system call number ", seen));
    else
        s.report.pass("kind/pick-system-calls");
    // This process can do nothing more; 42 is what the parent takes for a regular end.
    ::_exit(42);
#else
    s.report.skip("kind/pick-system-calls", "only on x86-64");
#endif
}

}  // namespace

std::vector<test> balancer_tests() {
    return {{"picks",
             {"kind/pick-in-range", "kind/pick-feasible", "kind/pick-count", "kind/pick-share", "kind/pick-full"},
             &picks,
             k_balancer},
            {"deterministic", {"kind/pick-deterministic"}, &deterministic, k_balancer},
            {"hot-path", {"kind/pick-allocates", "kind/pick-calls-host", "kind/pick-time"}, &hot_path, k_balancer},
            {"system-calls", {"kind/pick-system-calls"}, &system_calls, k_balancer}};
}

}  // namespace sigrun::check

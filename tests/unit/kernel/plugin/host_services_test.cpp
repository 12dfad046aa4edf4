// The services as a plugin sees them, through its sigrun_host.
#include "kernel/plugin/guest.hpp"

#include <sigrun/cpp/host.hpp>

#include <gtest/gtest.h>

#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <functional>
#include <future>
#include <thread>

namespace sigrun {
namespace {

using namespace std::chrono_literals;

// Counts events; waits for them with a deadline instead of sleeping.
class event_count {
public:
    void add() {
        std::lock_guard lock(mutex_);
        ++n_;
        changed_.notify_all();
    }
    bool reached(int n) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, 20s, [&] { return n_ >= n; });
    }
    int now() {
        std::lock_guard lock(mutex_);
        return n_;
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    int n_ = 0;
};
void count(void* ctx) { static_cast<event_count*>(ctx)->add(); }

std::string thread_name() {
    char name[16] = {};
    pthread_getname_np(pthread_self(), name, sizeof name);
    return name;
}

class host_services : public ::testing::Test {
protected:
    host_services()
        : rt_(std::make_shared<runtime>(numbers_)),
          guest_(guest::make(4711, "test.services", rt_)),
          host_(&guest_.add_face("test").abi),
          sched_(static_cast<const sigrun_svc_sched*>(service(SIGRUN_SVC_SCHED))) {}
    ~host_services() override { guest_.retire(); }
    const void* service(std::string_view id) const { return host_->get_service(host_, sdk::str(id)); }

    metrics numbers_;
    std::shared_ptr<runtime> rt_;
    guest& guest_;
    const sigrun_host* host_;
    const sigrun_svc_sched* sched_;
};

TEST_F(host_services, are_found_by_id_and_only_by_id) {
    for (auto id :
         {SIGRUN_SVC_LOG, SIGRUN_SVC_BUFFER, SIGRUN_SVC_SCHED, SIGRUN_SVC_CALL, SIGRUN_SVC_LINK, SIGRUN_SVC_METRIC})
        EXPECT_NE(service(id), nullptr) << id;
    for (auto id : {"", "sigrun.host.log/2", "sigrun.host.log", "sigrun.host.log/1 "})
        EXPECT_EQ(service(id), nullptr) << id;
    EXPECT_EQ(host_->generation, 4711u);
    EXPECT_NO_THROW(sdk::host{host_});
}

TEST_F(host_services, post_runs_on_the_lane_asked_for) {
    const std::pair<std::uint32_t, std::string> lanes[] = {
        {SIGRUN_LANE_CTL, "sigrun-ctl"}, {SIGRUN_LANE_IO, "sigrun-io"}, {SIGRUN_LANE_WORK, "sigrun-work-1"}};
    for (const auto& [lane, name] : lanes) {
        std::promise<std::string> seen;
        auto report = [](void* ctx) { static_cast<std::promise<std::string>*>(ctx)->set_value(thread_name()); };
        ASSERT_EQ(sched_->post(host_, lane, report, &seen), SIGRUN_OK);
        EXPECT_EQ(seen.get_future().get(), name);
    }
    EXPECT_EQ(sched_->post(host_, 9, &count, nullptr), SIGRUN_E_INVALID);
    EXPECT_EQ(sched_->post(host_, SIGRUN_LANE_CTL, nullptr, nullptr), SIGRUN_E_INVALID);
}

TEST_F(host_services, a_timer_fires_once_or_again_and_again_until_stopped) {
    event_count once, often, ended;
    std::uint64_t one = 0, many = 0;
    ASSERT_EQ(sched_->timer(host_, 1000, 0, &count, &once, &one), SIGRUN_OK);
    ASSERT_EQ(sched_->timer(host_, 0, 100'000, &count, &often, &many), SIGRUN_OK);
    EXPECT_NE(one, many);
    EXPECT_TRUE(once.reached(1));
    EXPECT_TRUE(often.reached(5));
    ASSERT_EQ(sched_->stop(host_, many, &count, &ended), SIGRUN_OK);
    ASSERT_TRUE(ended.reached(1));
    const int last = often.now();
    // A turn of the io lane later nothing more has run.
    event_count turn;
    ASSERT_EQ(sched_->post(host_, SIGRUN_LANE_IO, &count, &turn), SIGRUN_OK);
    ASSERT_TRUE(turn.reached(1));
    EXPECT_EQ(often.now(), last);
    EXPECT_EQ(once.now(), 1);
}

TEST_F(host_services, stop_answers_also_for_what_has_ended_and_refuses_unknown_ids) {
    event_count fired, ended;
    std::uint64_t id = 0;
    ASSERT_EQ(sched_->timer(host_, 0, 0, &count, &fired, &id), SIGRUN_OK);
    ASSERT_TRUE(fired.reached(1));
    EXPECT_EQ(sched_->stop(host_, id, &count, &ended), SIGRUN_OK);
    EXPECT_TRUE(ended.reached(1));
    EXPECT_EQ(sched_->stop(host_, id, nullptr, nullptr), SIGRUN_OK);
    EXPECT_EQ(sched_->stop(host_, 0, &count, &ended), SIGRUN_E_NOT_FOUND);
    EXPECT_EQ(sched_->stop(host_, 999'999, &count, &ended), SIGRUN_E_NOT_FOUND);
    EXPECT_EQ(ended.now(), 1);
}

TEST_F(host_services, a_timer_can_stop_itself) {
    struct self {
        const sigrun_host* host;
        const sigrun_svc_sched* sched;
        std::uint64_t id = 0;
        event_count runs, ended;
    } me{host_, sched_, 0, {}, {}};
    auto tick = [](void* ctx) {
        auto& s = *static_cast<self*>(ctx);
        s.runs.add();
        s.sched->stop(s.host, s.id, &count, &s.ended);
    };
    ASSERT_EQ(sched_->timer(host_, 1'000'000, 1000, tick, &me, &me.id), SIGRUN_OK);
    EXPECT_TRUE(me.ended.reached(1));
    EXPECT_EQ(me.runs.now(), 1);
}

TEST_F(host_services, a_far_timer_counts_as_open_until_stopped) {
    std::uint64_t id = 0;
    ASSERT_EQ(sched_->timer(host_, ~0ull, ~0ull, &count, nullptr, &id), SIGRUN_OK);
    EXPECT_EQ(guest_.still_open(), "1 timers or watches");
    event_count ended;
    ASSERT_EQ(sched_->stop(host_, id, &count, &ended), SIGRUN_OK);
    ASSERT_TRUE(ended.reached(1));
    rt_->stop();
    EXPECT_EQ(guest_.still_open(), "");
}

struct watch_seen {
    event_count events;
    std::uint32_t last = 0;
    std::int32_t fd = -1;
};
void on_ready(void* ctx, std::int32_t fd, std::uint32_t events) {
    auto& seen = *static_cast<watch_seen*>(ctx);
    char byte;
    if (events == SIGRUN_FD_READ && read(fd, &byte, 1) != 1) return;
    seen.fd = fd;
    seen.last = events;
    seen.events.add();
}

TEST_F(host_services, a_watch_reports_readiness_until_stopped) {
    int pair[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    watch_seen seen;
    std::uint64_t id = 0;
    ASSERT_EQ(sched_->fd_watch(host_, pair[0], SIGRUN_FD_READ, &on_ready, &seen, &id), SIGRUN_OK);
    ASSERT_EQ(write(pair[1], "ab", 2), 2);
    EXPECT_TRUE(seen.events.reached(2));  // level-triggered: one byte read per call
    EXPECT_EQ(seen.fd, pair[0]);
    event_count ended;
    ASSERT_EQ(sched_->stop(host_, id, &count, &ended), SIGRUN_OK);
    ASSERT_TRUE(ended.reached(1));
    ASSERT_EQ(write(pair[1], "c", 1), 1);
    event_count turn;
    ASSERT_EQ(sched_->post(host_, SIGRUN_LANE_IO, &count, &turn), SIGRUN_OK);
    ASSERT_TRUE(turn.reached(1));
    EXPECT_EQ(seen.events.now(), 2);
    close(pair[0]);
    close(pair[1]);
}

TEST_F(host_services, two_watches_of_one_descriptor_do_not_disturb_each_other) {
    int pair[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    watch_seen reading, writing;
    std::uint64_t first = 0, second = 0;
    ASSERT_EQ(sched_->fd_watch(host_, pair[0], SIGRUN_FD_READ, &on_ready, &reading, &first), SIGRUN_OK);
    ASSERT_EQ(sched_->fd_watch(host_, pair[0], SIGRUN_FD_WRITE, &on_ready, &writing, &second), SIGRUN_OK);
    EXPECT_TRUE(writing.events.reached(1));
    event_count ended;
    ASSERT_EQ(sched_->stop(host_, second, &count, &ended), SIGRUN_OK);
    ASSERT_TRUE(ended.reached(1));
    ASSERT_EQ(write(pair[1], "x", 1), 1);
    EXPECT_TRUE(reading.events.reached(1));
    ASSERT_EQ(sched_->stop(host_, first, &count, &ended), SIGRUN_OK);
    ASSERT_TRUE(ended.reached(2));
    close(pair[0]);
    close(pair[1]);
}

TEST_F(host_services, wrong_watches_are_refused) {
    std::uint64_t id = 0;
    EXPECT_EQ(sched_->fd_watch(host_, -1, SIGRUN_FD_READ, &on_ready, nullptr, &id), SIGRUN_E_INVALID);
    EXPECT_EQ(sched_->fd_watch(host_, 0, 0, &on_ready, nullptr, &id), SIGRUN_E_INVALID);
    EXPECT_EQ(sched_->fd_watch(host_, 0, 4, &on_ready, nullptr, &id), SIGRUN_E_INVALID);
    EXPECT_EQ(sched_->fd_watch(host_, 0, SIGRUN_FD_READ, nullptr, nullptr, &id), SIGRUN_E_INVALID);
}

TEST_F(host_services, threads_are_named_and_counted) {
    std::string name, open;
    std::thread thread([&] {
        sdk::thread_scope scope(sdk::host(host_), "a name that is longer than the kernel keeps");
        name = thread_name();
        open = guest_.still_open();
    });
    thread.join();
    EXPECT_EQ(name, "a name that is ");
    EXPECT_EQ(open, "1 threads");
    EXPECT_EQ(guest_.still_open(), "");
    sched_->thread_leave(host_, 12345);
}

TEST_F(host_services, metrics_of_plugins_reach_the_registry) {
    auto* table = static_cast<const sigrun_svc_metric*>(service(SIGRUN_SVC_METRIC));
    const sigrun_str kv[] = {sdk::str("route"), sdk::str("a\"b")};
    sigrun_metric* calls = table->counter(host_, sdk::str("calls_total"), sdk::str("Calls"), kv, 1);
    ASSERT_TRUE(calls);
    EXPECT_EQ(table->counter(host_, sdk::str("calls_total"), sdk::str("Calls"), kv, 1), calls);
    table->add(calls, 2);
    table->add(calls, -5);
    table->set(calls, 100);
    sigrun_metric* level = table->gauge(host_, sdk::str("level"), sdk::str("Level"), nullptr, 0);
    table->set(level, 7);
    table->add(level, -3);
    auto text = numbers_.text();
    EXPECT_NE(text.find("calls_total{route=\"a\\\"b\"} 2"), std::string::npos) << text;
    EXPECT_NE(text.find("level 4"), std::string::npos) << text;
    EXPECT_EQ(table->gauge(host_, sdk::str("calls_total"), sdk::str("x"), nullptr, 0), nullptr);
    EXPECT_EQ(table->counter(host_, sdk::str("1 bad name"), sdk::str("x"), nullptr, 0), nullptr);
    EXPECT_EQ(table->counter(host_, sdk::str("no_labels"), sdk::str("x"), nullptr, 1), nullptr);
    table->add(nullptr, 1);
    table->set(nullptr, 1);
}

TEST_F(host_services, calls_and_links_are_refused_as_unavailable_without_a_handler) {
    auto* calls = static_cast<const sigrun_svc_call*>(service(SIGRUN_SVC_CALL));
    sigrun_call call{};
    call.struct_size = sizeof call;
    sigrun_sink sink{sizeof sink, 0, nullptr, [](void*, const sigrun_frame*) -> sigrun_result { return SIGRUN_OK; }};
    std::uint64_t id = 9;
    sdk::error_text error;
    EXPECT_EQ(calls->begin(host_, 1, &call, &sink, &id, &error.abi), SIGRUN_E_IO);
    EXPECT_EQ(problem::from_abi(SIGRUN_E_IO, error.text()).code, errc::unavailable);
    EXPECT_EQ(id, 0u);
    EXPECT_EQ(calls->begin(host_, 1, nullptr, &sink, &id, nullptr), SIGRUN_E_INVALID);
    event_count ended;
    calls->end(host_, 1, &count, &ended);
    EXPECT_EQ(ended.now(), 1);

    auto* links = static_cast<const sigrun_svc_link*>(service(SIGRUN_SVC_LINK));
    const sigrun_sink* frames = nullptr;
    auto* link = reinterpret_cast<sigrun_link*>(&call);
    EXPECT_EQ(links->adopt(host_, 1, sdk::str("t"), link, &frames, &error.abi), SIGRUN_E_IO);
    EXPECT_EQ(problem::from_abi(SIGRUN_E_IO, error.text()).code, errc::unavailable);
}

struct recording_handler final : call_handler {
    sigrun_result begin(std::uint64_t session, const sigrun_call& call, const sigrun_sink&, std::uint64_t* id,
                        sigrun_error*, protocol_traffic*) noexcept override {
        seen = std::to_string(session) + " " + std::string(sdk::view(call.method));
        *id = 5;
        return SIGRUN_PENDING;
    }
    void resume(std::uint64_t id) noexcept override { resumed = id; }
    void end(std::uint64_t id, sigrun_fn done, void* ctx) noexcept override {
        ended = id;
        done(ctx);
    }
    std::string seen;
    std::uint64_t resumed = 0, ended = 0;
};

TEST_F(host_services, calls_go_to_the_handler) {
    recording_handler handler;
    rt_->calls = &handler;
    auto* calls = static_cast<const sigrun_svc_call*>(service(SIGRUN_SVC_CALL));
    sigrun_call call{};
    call.method = sdk::str("jobs.submit");
    sigrun_sink sink{sizeof sink, 0, nullptr, [](void*, const sigrun_frame*) -> sigrun_result { return SIGRUN_OK; }};
    std::uint64_t id = 0;
    EXPECT_EQ(calls->begin(host_, 42, &call, &sink, &id, nullptr), SIGRUN_PENDING);
    EXPECT_EQ(handler.seen, "42 jobs.submit");
    calls->resume(host_, id);
    event_count ended;
    calls->end(host_, id, &count, &ended);
    EXPECT_EQ(handler.resumed, 5u);
    EXPECT_EQ(handler.ended, 5u);
    EXPECT_EQ(ended.now(), 1);
    rt_->calls = nullptr;
}

TEST_F(host_services, after_retirement_every_slot_refuses) {
    auto* table = static_cast<const sigrun_svc_metric*>(service(SIGRUN_SVC_METRIC));
    auto* calls = static_cast<const sigrun_svc_call*>(service(SIGRUN_SVC_CALL));
    auto* log = static_cast<const sigrun_svc_log*>(service(SIGRUN_SVC_LOG));
    sigrun_metric* metric = table->counter(host_, sdk::str("n_total"), sdk::str("N"), nullptr, 0);
    bool ran = false;
    auto op = rt_->ops.mint(1, [&](auto) { ran = true; });
    guest_.retire();
    EXPECT_EQ(service(SIGRUN_SVC_LOG), nullptr);
    std::uint64_t id = 0;
    EXPECT_EQ(sched_->post(host_, SIGRUN_LANE_CTL, &count, nullptr), SIGRUN_E_CANCELLED);
    EXPECT_EQ(sched_->timer(host_, 0, 0, &count, nullptr, &id), SIGRUN_E_CANCELLED);
    EXPECT_EQ(sched_->stop(host_, 1, nullptr, nullptr), SIGRUN_E_CANCELLED);
    sigrun_call call{};
    sigrun_sink sink{sizeof sink, 0, nullptr, [](void*, const sigrun_frame*) -> sigrun_result { return SIGRUN_OK; }};
    EXPECT_EQ(calls->begin(host_, 1, &call, &sink, &id, nullptr), SIGRUN_E_CANCELLED);
    EXPECT_EQ(log->level(host_), 0u);
    log->write(host_, SIGRUN_LOG_ERROR, sdk::str("unheard"), nullptr, 0);
    table->add(metric, 1);
    host_->complete(host_, op, SIGRUN_OK, buffer_ref::copy_of("x").release());
    EXPECT_FALSE(ran);
    EXPECT_NE(numbers_.text().find("n_total 0"), std::string::npos);
}

TEST(work_pool, runs_blocked_tasks_side_by_side_up_to_its_limit) {
    work_pool pool(3, 4);
    event_count running;
    std::promise<void> go;
    auto gate = go.get_future().share();
    auto task = [&running, gate] {
        running.add();
        gate.wait();
    };
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(pool.post(task));
    EXPECT_TRUE(running.reached(3));
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(pool.post(task));
    EXPECT_FALSE(pool.post(task));        // the queue is full
    EXPECT_TRUE(pool.post(task, false));  // the kernel's own are not refused
    go.set_value();
    pool.stop();
    EXPECT_EQ(running.now(), 8);
    EXPECT_FALSE(pool.post(task, false));
}

TEST(work_pool, survives_a_task_that_throws) {
    work_pool pool(1);
    event_count after;
    EXPECT_TRUE(pool.post([] { throw std::runtime_error("deliberate"); }));
    EXPECT_TRUE(pool.post([&] { after.add(); }));
    EXPECT_TRUE(after.reached(1));
}

}  // namespace
}  // namespace sigrun

#include "kernel/store/group_commit.hpp"

#include <gtest/gtest.h>

#include <set>
#include <thread>

using namespace sigrun;

namespace {

struct written {
    std::vector<std::string> keys;
    bool fsync;
    group_commit::stored_callback answer;
};

/// An outlet under the test's control: batches wait for an answer, timers for time, posted tasks for
/// run_posted.
struct fixture {
    manual_clock time;
    std::vector<written> batches;
    std::vector<std::pair<nanoseconds, std::function<void()>>> timers;
    std::vector<std::function<void()>> posted;
    std::vector<std::string> answers;
    std::vector<std::string> fences;  // what was said of them, and how many had been answered by then
    std::shared_ptr<group_commit> commits;

    fixture() { tell_with({}); }
    void tell_with(std::function<void(std::function<void()>)> tell) {
        group_commit::outlet way;
        way.tell = std::move(tell);
        way.fenced = [this](const std::string& why) {
            fences.push_back(why + ", answers: " + std::to_string(answers.size()));
        };
        way.write = [this](const group_commit::batch& batch, bool fsync, group_commit::stored_callback answer) {
            written w{{}, fsync, std::move(answer)};
            for (const auto* r : batch) w.keys.push_back(r->key);
            batches.push_back(std::move(w));
        };
        way.later = [this](nanoseconds delay, std::function<void()> task) {
            timers.emplace_back(delay, std::move(task));
        };
        way.post = [this](std::function<void()> task) { posted.push_back(std::move(task)); };
        commits = std::make_shared<group_commit>(std::move(way), time);
    }
    void append(const std::string& key, bool fsync, std::size_t copies = 1) {
        std::vector<journal_record> records(copies, {record_kind::job, key, "{}"});
        commits->append(std::move(records), fsync, [this, key](result<void> r) {
            answers.push_back(key + (r ? " stored" : " " + std::string(to_string(r.error().code))));
        });
    }
    void answer_last(const result<void>& r) {
        auto answer = std::move(batches.back().answer);
        answer(r);
    }
    void run_posted() {
        auto tasks = std::move(posted);
        posted.clear();
        for (auto& t : tasks) t();
    }
    void run_timer() {
        ASSERT_FALSE(timers.empty());
        auto task = std::move(timers.front().second);
        time.advance(timers.front().first);
        timers.erase(timers.begin());
        task();
    }
};

using texts = std::vector<std::string>;
const auto k_disk_full = make_problem(errc::unavailable, "disk full");
const auto k_exists = make_problem(errc::conflict, "exists");

}  // namespace

TEST(group_commit, fsync_goes_at_once_when_idle_and_the_rest_collects_behind_it) {
    fixture f;
    f.append("a", true);
    ASSERT_EQ(f.batches.size(), 1u);
    EXPECT_TRUE(f.batches[0].fsync);
    f.append("b", true);
    f.append("c", false);
    EXPECT_EQ(f.batches.size(), 1u) << "one batch at a time";
    EXPECT_TRUE(f.answers.empty()) << "nothing is stored before the store says so";
    f.answer_last({});
    EXPECT_EQ(f.answers, (texts{"a stored"}));
    ASSERT_EQ(f.batches.size(), 2u);
    EXPECT_EQ(f.batches[1].keys, (texts{"b", "c"}));
    f.answer_last({});
    EXPECT_EQ(f.answers, (texts{"a stored", "b stored", "c stored"}));
    EXPECT_EQ(f.commits->waiting(), 0u);
}

TEST(group_commit, relaxed_records_linger_one_millisecond) {
    fixture f;
    f.append("a", false);
    f.append("b", false);
    EXPECT_TRUE(f.batches.empty());
    ASSERT_EQ(f.timers.size(), 1u);
    EXPECT_EQ(f.timers[0].first, group_commit::k_linger);
    f.run_timer();
    ASSERT_EQ(f.batches.size(), 1u);
    EXPECT_FALSE(f.batches[0].fsync);
    EXPECT_EQ(f.batches[0].keys, (texts{"a", "b"}));
}

TEST(group_commit, hundred_records_close_a_batch_without_the_timer) {
    fixture f;
    for (int i = 0; i < 99; ++i) f.append("r", false);
    EXPECT_TRUE(f.batches.empty());
    f.append("r", false);
    ASSERT_EQ(f.batches.size(), 1u);
    EXPECT_EQ(f.batches[0].keys.size(), 100u);
}

TEST(group_commit, batch_is_bounded_and_calls_stay_whole) {
    fixture f;
    f.append("first", true);
    for (int i = 0; i < 1500; ++i) f.append("three", false, 3);
    f.answer_last({});
    ASSERT_EQ(f.batches.size(), 2u);
    EXPECT_EQ(f.batches[1].keys.size(), 3999u);
    f.answer_last({});
    ASSERT_EQ(f.batches.size(), 3u) << "what is left is more than closes a batch";
    EXPECT_EQ(f.batches[2].keys.size(), 501u);
    f.answer_last({});
    f.append("large", true, 5000);
    EXPECT_EQ(f.batches[3].keys.size(), 5000u) << "one call alone may be larger";
}

TEST(group_commit, existing_record_refuses_only_its_own_call_and_order_is_kept) {
    fixture f;
    f.append("head", true);
    for (const char* key : {"a", "b", "bad", "c", "d"}) f.append(key, true);
    f.answer_last({});
    std::vector<std::string> stored;
    for (int rounds = 0; rounds < 20 && f.commits->waiting(); ++rounds) {
        const auto& keys = f.batches.back().keys;
        const bool bad = std::find(keys.begin(), keys.end(), "bad") != keys.end();
        if (!bad) stored.insert(stored.end(), keys.begin(), keys.end());
        f.answer_last(bad ? result<void>(k_exists) : result<void>());
    }
    EXPECT_EQ(stored, (texts{"a", "b", "c", "d"}));
    EXPECT_EQ(f.answers, (texts{"head stored", "a stored", "b stored", "bad conflict", "c stored", "d stored"}));
    EXPECT_EQ(f.commits->failed(), "");
}

TEST(group_commit, full_disk_fails_everything_that_waits_and_the_next_append_tries_again) {
    fixture f;
    f.append("a", true);
    f.append("b", true);
    f.append("c", false);
    f.answer_last(k_disk_full);
    EXPECT_EQ(f.answers, (texts{"a unavailable", "b unavailable", "c unavailable"}));
    EXPECT_EQ(f.commits->failed(), "disk full");
    EXPECT_EQ(f.commits->waiting(), 0u);
    f.append("d", true);
    ASSERT_EQ(f.batches.size(), 2u);
    f.answer_last({});
    EXPECT_EQ(f.answers.back(), "d stored");
    EXPECT_EQ(f.commits->failed(), "");
}

TEST(group_commit, failed_store_is_tried_without_appends_until_it_works) {
    fixture f;
    f.append("a", true);
    f.answer_last(k_disk_full);
    for (int i = 0; i < 3; ++i) {
        ASSERT_EQ(f.timers.size(), 1u);
        EXPECT_EQ(f.timers[0].first, group_commit::k_retry);
        f.run_timer();
        EXPECT_EQ(f.batches.back().keys, (texts{"journal.trial"}));
        if (i < 2) f.answer_last(k_disk_full);
    }
    f.answer_last({});
    EXPECT_EQ(f.commits->failed(), "");
    EXPECT_TRUE(f.timers.empty());
    EXPECT_EQ(f.answers, (texts{"a unavailable"}));
}

TEST(group_commit, fenced_journal_stays_failed_and_asks_the_store_no_more) {
    fixture f;
    f.append("a", true);
    f.append("b", true);
    f.answer_last(problem::from_abi(SIGRUN_E_FENCED, "epoch 2 is newer"));
    EXPECT_EQ(f.answers, (texts{"a forbidden", "b forbidden"}));
    EXPECT_EQ(f.commits->failed(), "epoch 2 is newer");
    EXPECT_TRUE(f.timers.empty());
    f.append("c", true);
    EXPECT_EQ(f.batches.size(), 1u);
    EXPECT_EQ(f.answers.size(), 2u) << "a refusal never runs inside append";
    f.run_posted();
    EXPECT_EQ(f.answers.back(), "c unavailable");
    EXPECT_EQ(f.fences, (texts{"epoch 2 is newer, answers: 0"})) << "once, and before anybody can begin something new";
}

TEST(group_commit, a_full_disk_is_no_fence) {
    fixture f;
    f.append("a", true);
    f.answer_last(k_disk_full);
    EXPECT_TRUE(f.fences.empty());
}

TEST(group_commit, more_than_the_limit_is_busy_and_room_comes_back) {
    fixture f;
    f.append("first", true);
    f.append("many", false, group_commit::k_max_waiting - 1);
    f.append("over", true);
    f.run_posted();
    EXPECT_EQ(f.answers, (texts{"over busy"}));
    f.append("huge", true, group_commit::k_max_waiting + 1);
    f.run_posted();
    EXPECT_EQ(f.answers.back(), "huge too_large");
    f.answer_last({});
    f.append("fits", true);
    f.run_posted();
    EXPECT_EQ(f.answers.back(), "first stored");
    f.answer_last({});
    f.answer_last({});
    EXPECT_EQ(f.answers.back(), "fits stored");
}

TEST(group_commit, empty_append_is_answered_and_close_refuses_new_ones) {
    fixture f;
    f.append("nothing", true, 0);
    f.run_posted();
    EXPECT_EQ(f.answers, (texts{"nothing stored"}));
    f.append("a", true);
    f.commits->close();
    f.append("b", true);
    f.run_posted();
    f.answer_last({});
    EXPECT_EQ(f.answers, (texts{"nothing stored", "b cancelled", "a stored"}));
}

TEST(group_commit, continuation_may_append_and_throw) {
    fixture f;
    f.commits->append({{record_kind::job, "a", "{}"}}, true, [&](result<void>) {
        f.append("b", true);
        throw std::runtime_error("from a continuation");
    });
    f.answer_last({});
    ASSERT_EQ(f.batches.size(), 2u);
    EXPECT_EQ(f.batches[1].keys, (texts{"b"}));
}

TEST(group_commit, store_that_answers_at_once_never_runs_continuations_inside_append) {
    fixture f;
    group_commit::outlet way;
    int writes = 0;
    way.write = [&](const group_commit::batch&, bool, const group_commit::stored_callback& answer) {
        if (++writes == 2) throw std::runtime_error("no memory");
        answer({});
    };
    way.later = [](nanoseconds, const std::function<void()>&) {};
    way.post = [&](std::function<void()> task) { f.posted.push_back(std::move(task)); };
    f.commits = std::make_shared<group_commit>(way, f.time);
    f.append("a", true);
    EXPECT_TRUE(f.answers.empty());
    f.run_posted();
    EXPECT_EQ(f.answers, (texts{"a stored"}));
    f.append("b", true);
    f.run_posted();
    EXPECT_EQ(f.answers.back(), "b internal");
}

TEST(group_commit, the_next_batch_begins_while_those_of_the_last_one_are_told) {
    fixture f;
    std::vector<std::function<void()>> to_tell;
    f.tell_with([&](std::function<void()> task) { to_tell.push_back(std::move(task)); });
    f.append("a", true);
    f.append("b", true);
    f.answer_last({});
    ASSERT_EQ(f.batches.size(), 2u);
    EXPECT_EQ(f.batches[1].keys, (texts{"b"}));
    EXPECT_EQ(f.commits->waiting(), 2u) << "who was not told still waits";
    f.answer_last(k_exists);
    EXPECT_TRUE(f.answers.empty());
    for (auto& task : to_tell) task();
    EXPECT_EQ(f.answers, (texts{"a stored", "b conflict"}));
    EXPECT_EQ(f.commits->waiting(), 0u);
    f.commits->flush();  // returns: everybody was told
}

TEST(group_commit, many_threads_get_one_answer_each_and_flush_waits_for_all) {
    // The store answers on a thread of its own, as a plugin does.
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<group_commit::stored_callback> due;
    std::vector<std::string> order;
    bool end = false;
    std::thread store([&] {
        std::unique_lock lock(mutex);
        for (;;) {
            changed.wait(lock, [&] { return end || !due.empty(); });
            if (due.empty()) return;
            auto answer = std::move(due.front());
            due.pop_front();
            lock.unlock();
            answer({});
            lock.lock();
        }
    });
    group_commit::outlet way;
    way.write = [&](const group_commit::batch& batch, bool, group_commit::stored_callback answer) {
        std::lock_guard lock(mutex);
        for (const auto* r : batch) order.push_back(r->key);
        due.push_back(std::move(answer));
        changed.notify_one();
    };
    way.later = [](nanoseconds, const std::function<void()>&) {};
    way.post = [](const std::function<void()>& task) { task(); };
    auto commits = std::make_shared<group_commit>(way);
    constexpr int k_threads = 4, k_each = 2000;
    std::atomic<int> answered{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < k_threads; ++t)
        threads.emplace_back([&, t] {
            for (int i = 0; i < k_each; ++i)
                commits->append({{record_kind::job, std::to_string(t) + "/" + std::to_string(i), "{}"}}, true,
                                [&](result<void> r) { answered += r.has_value(); });
        });
    for (auto& t : threads) t.join();
    commits->flush();
    EXPECT_EQ(answered, k_threads * k_each);
    {
        std::lock_guard lock(mutex);
        end = true;
    }
    changed.notify_one();
    store.join();
    EXPECT_EQ(std::set<std::string>(order.begin(), order.end()).size(), std::size_t{k_threads * k_each});
    int next[k_threads] = {};
    for (const auto& key : order) {
        auto thread = static_cast<std::size_t>(key[0] - '0');
        ASSERT_EQ(key.substr(2), std::to_string(next[thread]++)) << "records of one thread keep their order";
    }
}

TEST(group_commit, held_batches_begin_after_resume_in_their_order_and_one_under_way_ends) {
    fixture f;
    f.append("a", true);
    f.commits->hold({});
    f.append("b", true);
    f.answer_last({});
    EXPECT_EQ(f.answers, (texts{"a stored"}));
    f.append("c", false);
    EXPECT_EQ(f.batches.size(), 1u);
    f.commits->resume();
    ASSERT_EQ(f.batches.size(), 2u);
    EXPECT_EQ(f.batches[1].keys, (texts{"b", "c"}));
    f.answer_last({});
    EXPECT_EQ(f.answers, (texts{"a stored", "b stored", "c stored"}));
}

TEST(group_commit, what_lingers_while_held_is_written_by_resume) {
    fixture f;
    f.append("a", false);
    f.commits->hold({});
    f.run_timer();
    EXPECT_TRUE(f.batches.empty());
    f.commits->resume();
    ASSERT_EQ(f.batches.size(), 1u);
    EXPECT_EQ(f.batches[0].keys, (texts{"a"}));
}

TEST(group_commit, resume_with_a_batch_under_way_starts_no_second_one) {
    fixture f;
    f.append("a", true);
    f.commits->hold({});
    f.append("b", true);
    f.commits->resume();
    EXPECT_EQ(f.batches.size(), 1u);
    f.answer_last({});
    EXPECT_EQ(f.batches.size(), 2u);
}

TEST(group_commit, hold_returns_when_the_batch_under_way_has_ended) {
    fixture f;
    f.append("a", true);
    std::thread store([&] { f.answer_last({}); });
    f.commits->hold(std::chrono::seconds(30));
    f.append("b", true);
    EXPECT_EQ(f.batches.size(), 1u);
    store.join();
    EXPECT_EQ(f.answers, (texts{"a stored"}));
    f.commits->resume();
    EXPECT_EQ(f.batches.size(), 2u);
}

#include "store_fixture.hpp"

#include <sqlite3.h>

#include <thread>

using namespace sigrun;
using namespace sigrun::test;

TEST(sqlite_records, newest_body_of_each_key_survives_a_restart_in_order_of_writing) {
    folder dir;
    {
        store s(dir.file());
        auto epoch = s.take();
        EXPECT_EQ(s.append(epoch, {{1, "a", "{\"n\":1}"}, {1, "b", "{}"}, {2, "a", "{\"r\":1}"}}).text,
                  "{\"position\":3}");
        EXPECT_EQ(s.append(epoch, {{1, "a", "{\"n\":2}"}}, SIGRUN_RELAXED).text, "{\"position\":4}");
        EXPECT_EQ(s.host.double_completions(), 0u);
    }
    store s(dir.file());
    auto all = s.scan();
    EXPECT_EQ(all.next, 0u);
    EXPECT_EQ(all.records,
              (std::vector<stored>{{1, 2, "b", "{}"}, {2, 3, "a", "{\"r\":1}"}, {1, 4, "a", "{\"n\":2}"}}));
}

TEST(sqlite_records, insert_of_an_existing_key_refuses_the_whole_append_by_name) {
    folder dir;
    store s(dir.file());
    auto epoch = s.take();
    ASSERT_EQ(s.append(epoch, {{3, "key-1", "{}", SIGRUN_RECORD_INSERT}}).result, SIGRUN_OK);
    auto refused = s.append(epoch, {{1, "other", "{}"}, {3, "key-1", "{\"again\":1}", SIGRUN_RECORD_INSERT}});
    EXPECT_EQ(refused.result, SIGRUN_E_EXISTS);
    EXPECT_NE(refused.text.find("key-1"), std::string::npos);
    auto all = s.scan();
    ASSERT_EQ(all.records.size(), 1u);
    EXPECT_EQ(all.records[0].body, "{}");
    EXPECT_EQ(s.append(epoch, {{1, "other", "{}"}}).text, "{\"position\":2}") << "a refused batch uses no position";
}

TEST(sqlite_records, delete_removes_and_a_missing_record_is_fine) {
    folder dir;
    store s(dir.file());
    auto epoch = s.take();
    s.append(epoch, {{1, "a", "{}"}, {1, "b", "{}"}});
    EXPECT_EQ(s.append(epoch, {{1, "a", "", SIGRUN_RECORD_DELETE}, {1, "gone", "", SIGRUN_RECORD_DELETE}}).result,
              SIGRUN_OK);
    ASSERT_EQ(s.scan().records.size(), 1u);
    EXPECT_EQ(s.scan().records[0].key, "b");
}

TEST(sqlite_records, scan_pages_through_everything_once) {
    folder dir;
    store s(dir.file());
    auto epoch = s.take();
    std::vector<put> puts;
    for (int i = 0; i < 25; ++i) puts.push_back({1, "job" + std::to_string(i), "{}"});
    s.append(epoch, puts);
    std::vector<std::string> keys;
    std::uint64_t position = 0;
    int pages = 0;
    do {
        auto p = s.scan(position, 10);
        ++pages;
        for (const auto& r : p.records) keys.push_back(r.key);
        position = p.next;
    } while (position);
    EXPECT_EQ(pages, 3);
    ASSERT_EQ(keys.size(), 25u);
    EXPECT_EQ(keys.front(), "job0");
    EXPECT_EQ(keys.back(), "job24");
    EXPECT_EQ(s.scan(0, 25).next, 0u) << "exactly full is the end";
    EXPECT_TRUE(s.scan(1'000'000).records.empty());
}

TEST(sqlite_records, a_page_is_bounded_in_bytes_too) {
    folder dir;
    store s(dir.file());
    auto epoch = s.take();
    std::string large(3 * 1024 * 1024, 'x');
    for (int i = 0; i < 5; ++i)
        ASSERT_EQ(s.append(epoch, {{1, std::to_string(i), large}}, SIGRUN_RELAXED).result, SIGRUN_OK);
    auto first = s.scan(0, 100);
    EXPECT_LT(first.records.size(), 5u);
    ASSERT_NE(first.next, 0u);
    auto second = s.scan(first.next, 100);
    EXPECT_EQ(first.records.size() + second.records.size(), 5u);
    EXPECT_EQ(second.next, 0u);
}

TEST(sqlite_records, shards_are_apart) {
    folder dir;
    store s(dir.file());
    auto one = s.take(1), two = s.take(2);
    s.append(one, {{1, "same", "{\"of\":1}"}}, SIGRUN_FSYNC, 1);
    s.append(two, {{1, "same", "{\"of\":2}"}}, SIGRUN_FSYNC, 2);
    ASSERT_EQ(s.scan(0, 10, 1).records.size(), 1u);
    EXPECT_EQ(s.scan(0, 10, 1).records[0].body, "{\"of\":1}");
    EXPECT_EQ(s.scan(0, 10, 2).records[0].body, "{\"of\":2}");
}

TEST(sqlite_records, garbage_requests_are_refused_without_an_op) {
    folder dir;
    store s(dir.file());
    auto epoch = s.take();
    EXPECT_EQ(s.append(epoch, {}).result, SIGRUN_E_INVALID);
    EXPECT_EQ(s.append(epoch, {{1, "", "{}"}}).result, SIGRUN_E_INVALID);
    EXPECT_EQ(s.append(epoch, {{1, std::string(5000, 'k'), "{}"}}).result, SIGRUN_E_INVALID);
    EXPECT_EQ(s.append(epoch, {{1, "k", "body", SIGRUN_RECORD_DELETE}}).result, SIGRUN_E_INVALID);
    EXPECT_EQ(s.append(epoch, {{1, "k", "{}", 8}}).result, SIGRUN_E_INVALID);
    EXPECT_EQ(s.append(epoch, {{1, "k", "{}"}}, 7).result, SIGRUN_E_INVALID);
    EXPECT_EQ(s.own(9).result, SIGRUN_E_INVALID);
    auto op = s.host.mint();
    EXPECT_EQ(s.table()->scan(s.instance(), 0, 0, 0, op), SIGRUN_E_INVALID);
    s.host.forget(op);
    EXPECT_EQ(s.host.open_ops(), 0u);
    EXPECT_EQ(s.host.double_completions(), 0u);
}

TEST(sqlite_records, many_threads_append_at_once_and_nothing_is_lost) {
    folder dir;
    store s(dir.file());
    auto epoch = s.take();
    constexpr int k_threads = 8, k_each = 40;
    std::vector<std::thread> threads;
    std::mutex mutex;
    std::set<std::uint64_t> positions;
    for (int t = 0; t < k_threads; ++t) {
        threads.emplace_back([&, t] {
            sigrun_fence fence{sizeof fence, 0, epoch};
            for (int i = 0; i < k_each; ++i) {
                auto key = std::to_string(t) + "/" + std::to_string(i);
                sigrun_record r{sizeof r, 1, 0, 0, sdk::str(key), sdk::bytes("{}")};
                auto op = s.host.mint();
                auto durability = static_cast<std::uint32_t>(i % 2 ? SIGRUN_FSYNC : SIGRUN_RELAXED);
                ASSERT_EQ(s.table()->append(s.instance(), &fence, &r, 1, durability, op), SIGRUN_PENDING);
                auto o = s.host.wait(op, std::chrono::seconds(60));
                ASSERT_EQ(o.result, SIGRUN_OK) << o.text;
                std::lock_guard lock(mutex);
                positions.insert(store::number(o.text));
            }
        });
    }
    for (auto& t : threads) t.join();
    EXPECT_EQ(positions.size(), std::size_t{k_threads * k_each});
    EXPECT_EQ(s.scan().records.size(), std::size_t{k_threads * k_each});
}

TEST(sqlite_records, compact_gives_space_of_deleted_records_back) {
    folder dir;
    store s(dir.file());
    auto epoch = s.take();
    for (int i = 0; i < 40; ++i) s.append(epoch, {{1, std::to_string(i), std::string(50'000, 'x')}}, SIGRUN_RELAXED);
    ASSERT_EQ(s.compact(epoch).result, SIGRUN_OK);
    auto before = std::filesystem::file_size(dir.file());
    for (int i = 0; i < 40; ++i) s.append(epoch, {{1, std::to_string(i), "", SIGRUN_RECORD_DELETE}}, SIGRUN_RELAXED);
    ASSERT_EQ(s.compact(epoch).result, SIGRUN_OK);
    EXPECT_LT(std::filesystem::file_size(dir.file()), before / 4);
    EXPECT_EQ(s.compact(epoch + 1).result, SIGRUN_E_FENCED);
}

TEST(sqlite_records, people_can_query_the_views) {
    folder dir;
    {
        store s(dir.file());
        auto epoch = s.take();
        s.append(epoch,
                 {{1, "id-1",
                   R"({"state":"failed","document":{"kind":"call","queue":"q"},"submitted_ns":1767225600000000000,
                              "finished_ns":0,"attempts":[{"runner_name":"a"},{"runner_name":"b","protocol":"http"}],
                              "end":{"exit_code":3,"failure":{"message":"broken"}}})"},
                  {1, "id-2", "no json"},
                  {2, "id-3", R"({"name":"build-7","admin":"draining"})"}});
    }
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(dir.file().c_str(), &db), SQLITE_OK);
    auto ask = [&](const char* sql) {
        std::string out;
        auto add = [](void* to, int n, char** values, char**) {
            for (int i = 0; i < n; ++i)
                *static_cast<std::string*>(to) += std::string(values[i] ? values[i] : "null") + "|";
            return 0;
        };
        EXPECT_EQ(sqlite3_exec(db, sql, add, &out, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
        return out;
    };
    EXPECT_EQ(ask("SELECT id, state, kind, queue, attempts, runner, protocol, exit_code, failure FROM jobs"),
              "id-1|failed|call|q|2|b|http|3|broken|");
    EXPECT_EQ(ask("SELECT submitted_at, finished_at FROM jobs"), "2026-01-01 00:00:00|null|");
    EXPECT_EQ(ask("SELECT name, admin FROM runners"), "build-7|draining|");
    EXPECT_EQ(ask("SELECT count(*) FROM idempotency_keys"), "0|");
    sqlite3_close(db);
}

TEST(sqlite_records, drain_finishes_what_waits_and_takes_nothing_new) {
    folder dir;
    store s(dir.file());
    auto epoch = s.take();
    std::vector<sigrun_op> ops;
    for (int i = 0; i < 20; ++i) ops.push_back(s.append_async(epoch, {{1, std::to_string(i), "{}"}}));
    auto done = s.host.mint();
    ASSERT_EQ(s.instance()->drain(s.instance(), 0, done), SIGRUN_PENDING);
    EXPECT_EQ(s.append(epoch, {{1, "late", "{}"}}).result, SIGRUN_E_CANCELLED);
    EXPECT_EQ(s.host.wait(done).result, SIGRUN_OK);
    for (auto op : ops) {
        EXPECT_TRUE(s.host.completed(op));
        EXPECT_EQ(s.host.wait(op).result, SIGRUN_OK);
    }
    s.host.destroy(s.instance());
    EXPECT_EQ(s.host.live_threads(), 0u);
    EXPECT_EQ(s.host.live_buffers(), 0u);
}

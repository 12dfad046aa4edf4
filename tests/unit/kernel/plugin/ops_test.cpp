#include "kernel/plugin/ops.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

namespace sigrun {
namespace {

TEST(ops, a_completion_delivers_the_buffer_once) {
    op_table ops;
    std::string got;
    auto op = ops.mint(1, [&](result<buffer_ref> r) { got += r->view(); });
    EXPECT_NE(op, 0u);
    EXPECT_EQ(ops.open(1), 1u);
    EXPECT_TRUE(ops.complete(op, SIGRUN_OK, buffer_ref::copy_of("hello").release()));
    EXPECT_EQ(got, "hello");
    EXPECT_EQ(ops.open(), 0u);
    EXPECT_FALSE(ops.complete(op, SIGRUN_OK, buffer_ref::copy_of("again").release()));
    EXPECT_EQ(got, "hello");
    EXPECT_EQ(ops.ignored(), 1u);
}

TEST(ops, an_error_arrives_as_a_problem) {
    op_table ops;
    problem seen;
    auto keep = [&](result<buffer_ref> r) { seen = r.error(); };
    ops.complete(ops.mint(1, keep), SIGRUN_E_TIMEOUT, buffer_ref::copy_of("no answer").release());
    EXPECT_EQ(seen.code, errc::timeout);
    EXPECT_EQ(seen.message, "no answer");
    ops.complete(ops.mint(1, keep), SIGRUN_E_INVALID,
                 buffer_ref::copy_of(bad_value("port", "a number", "x").to_json()).release());
    EXPECT_EQ(seen.field, "port");
    ops.complete(ops.mint(1, keep), SIGRUN_E_IO, nullptr);
    EXPECT_EQ(seen.message, "no reason given");
}

TEST(ops, those_of_an_instance_count_for_it_and_for_its_generation) {
    op_table ops;
    const std::uint64_t one = (5ull << 32) | 7, other = (6ull << 32) | 7;
    auto a = ops.mint(one, [](auto) {}), b = ops.mint(other, [](auto) {}), c = ops.mint(7, [](auto) {});
    EXPECT_EQ(ops.open(one), 1u);
    EXPECT_EQ(ops.open(other), 1u);
    EXPECT_EQ(ops.open(7), 3u);
    EXPECT_EQ(ops.open(5), 0u);
    for (auto op : {a, b, c}) ops.complete(op, SIGRUN_OK, nullptr);
    EXPECT_EQ(ops.open(7), 0u);
}

TEST(ops, a_stale_token_never_reaches_the_slots_next_op) {
    op_table ops;
    int first = 0, second = 0;
    auto old = ops.mint(1, [&](auto) { ++first; });
    ops.complete(old, SIGRUN_OK, nullptr);
    auto fresh = ops.mint(1, [&](auto) { ++second; });
    EXPECT_NE(old, fresh);
    EXPECT_FALSE(ops.complete(old, SIGRUN_OK, nullptr));
    EXPECT_EQ(second, 0);
    EXPECT_TRUE(ops.complete(fresh, SIGRUN_OK, nullptr));
    EXPECT_EQ(first + second, 2);
}

TEST(ops, garbage_tokens_are_ignored) {
    op_table ops;
    for (std::uint64_t op : {0ull, 1ull, ~0ull, 1ull << 32, 0xdeadbeefcafeull})
        EXPECT_FALSE(ops.complete(op, SIGRUN_OK, nullptr));
    EXPECT_EQ(ops.ignored(), 5u);
}

TEST(ops, a_revoked_op_is_never_run) {
    op_table ops;
    bool ran = false;
    auto op = ops.mint(7, [&](auto) { ran = true; });
    EXPECT_TRUE(ops.revoke(op));
    EXPECT_FALSE(ops.revoke(op));
    EXPECT_FALSE(ops.complete(op, SIGRUN_OK, nullptr));
    EXPECT_FALSE(ran);
    EXPECT_EQ(ops.open(7), 0u);
}

TEST(ops, are_counted_per_owner) {
    op_table ops;
    auto a = ops.mint(1, {});
    ops.mint(2, {});
    ops.mint(2, {});
    EXPECT_EQ(ops.open(1), 1u);
    EXPECT_EQ(ops.open(2), 2u);
    EXPECT_EQ(ops.open(3), 0u);
    EXPECT_EQ(ops.open(), 3u);
    EXPECT_TRUE(ops.complete(a, SIGRUN_OK, nullptr));
    EXPECT_EQ(ops.open(1), 0u);
}

TEST(ops, a_continuation_may_mint_and_complete_and_may_throw) {
    op_table ops;
    bool inner = false;
    auto op = ops.mint(1, [&](auto) {
        ops.complete(ops.mint(1, [&](auto) { inner = true; }), SIGRUN_OK, nullptr);
        throw std::runtime_error("deliberate");
    });
    EXPECT_TRUE(ops.complete(op, SIGRUN_OK, nullptr));
    EXPECT_TRUE(inner);
}

TEST(ops, racing_completions_run_each_op_exactly_once) {
    op_table ops;
    constexpr int k_ops = 2000;
    std::vector<std::atomic<int>> runs(k_ops);
    std::vector<sigrun_op> tokens;
    for (int i = 0; i < k_ops; ++i)
        tokens.push_back(ops.mint(1, [&runs, i](auto) { ++runs[static_cast<std::size_t>(i)]; }));
    EXPECT_EQ(std::set<sigrun_op>(tokens.begin(), tokens.end()).size(), tokens.size());
    std::atomic<int> won{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&] {
            for (auto op : tokens) {
                won += ops.complete(op, SIGRUN_OK, nullptr);
                ops.complete(ops.mint(2, {}), SIGRUN_OK, nullptr);
            }
        });
    for (auto& t : threads) t.join();
    EXPECT_EQ(won, k_ops);
    for (auto& n : runs) EXPECT_EQ(n, 1);
    EXPECT_EQ(ops.open(), 0u);
}

TEST(buffer, keeps_its_bytes_until_the_last_holder) {
    auto a = buffer_ref::copy_of("abc");
    buffer_ref b = a;
    a = {};
    EXPECT_FALSE(a);
    EXPECT_EQ(b.view(), "abc");
    buffer_ref c = std::move(b);
    EXPECT_FALSE(b);  // NOLINT: a moved-from reference is empty
    EXPECT_EQ(c.view(), "abc");
}

TEST(buffer, the_service_checks_lengths) {
    const auto& table = buffer_service();
    sigrun_buf* buf = table.create(nullptr, 4);
    ASSERT_TRUE(buf);
    void* bytes = nullptr;
    std::uint64_t len = 9, capacity = 0;
    EXPECT_EQ(table.view(buf, &bytes, &len, &capacity), SIGRUN_OK);
    EXPECT_EQ(len, 0u);
    EXPECT_GE(capacity, 4u);
    EXPECT_EQ(table.set_len(buf, capacity + 1), SIGRUN_E_INVALID);
    EXPECT_EQ(table.set_len(buf, 4), SIGRUN_OK);
    EXPECT_EQ(table.view(buf, nullptr, nullptr, nullptr), SIGRUN_OK);
    table.retain(buf);
    table.release(buf);
    EXPECT_EQ(table.view(buf, nullptr, &len, nullptr), SIGRUN_OK);
    EXPECT_EQ(len, 4u);
    table.release(buf);
    EXPECT_EQ(table.create(nullptr, ~0ull), nullptr);
    EXPECT_EQ(table.view(nullptr, nullptr, nullptr, nullptr), SIGRUN_E_INVALID);
    table.release(nullptr);
}

TEST(buffer, is_aligned_for_anything) {
    sigrun_buf* buf = buffer_service().create(nullptr, 16);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buf->bytes()) % 8, 0u);
    buffer_service().release(buf);
}

}  // namespace
}  // namespace sigrun

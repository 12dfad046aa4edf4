#include "kernel/base/read_section.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

namespace sigrun {
namespace {

struct thing {
    std::uint64_t a = 1, b = 1;
    ~thing() { a = b = 0; }
};

TEST(read_section, nobody_reads_what_was_destroyed) {
    std::atomic<thing*> published{new thing};
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> torn{0}, reads{0};
    std::vector<std::thread> readers;
    for (int i = 0; i < 4; ++i)
        readers.emplace_back([&] {
            while (!stop.load(std::memory_order_relaxed)) {
                const read_section reading;
                const thing& t = *published.load(std::memory_order_acquire);
                if (t.a != 1 || t.b != 1) torn.fetch_add(1);
                reads.fetch_add(1, std::memory_order_relaxed);
            }
        });
    while (reads.load() < 1000) std::this_thread::yield();
    for (int i = 0; i < 300; ++i) {
        std::unique_ptr<thing> old(published.exchange(new thing));
        if (!wait_for_readers()) {
            old.release();
            stop = true;
            for (auto& t : readers) t.join();
            GTEST_SKIP() << "no membarrier here";
        }
    }
    stop = true;
    for (auto& t : readers) t.join();
    EXPECT_EQ(torn.load(), 0u);
    delete published.load();
}

TEST(read_section, an_inner_section_does_not_end_the_outer_one) {
    std::atomic<int> stage{0};
    std::thread reader([&] {
        const read_section outer;
        { const read_section inner; }
        stage = 1;
        while (stage.load() != 2) std::this_thread::yield();
        stage = 3;
    });
    while (stage.load() != 1) std::this_thread::yield();
    std::atomic<bool> waited{false};
    std::thread writer([&] {
        if (!wait_for_readers()) stage = 3;
        EXPECT_EQ(stage.load(), 3) << "the reader was still inside";
        waited = true;
    });
    stage = 2;
    writer.join();
    reader.join();
    EXPECT_TRUE(waited.load());
}

TEST(read_section, threads_that_ended_hold_nothing_up) {
    for (int i = 0; i < 50; ++i) std::thread([] { const read_section reading; }).join();
    wait_for_readers();
}

}  // namespace
}  // namespace sigrun

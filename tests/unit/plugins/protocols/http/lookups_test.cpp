// Name lookups when the resolver hangs: shared, few at once, none for nobody, and over at the end.
#include "dial/name_lookups.hpp"

#include <sigrun/cpp/mock_host.hpp>

#include <gtest/gtest.h>

namespace sigrun::http {
namespace {

/// Lookups whose resolver hangs until it is released.
struct hanging_resolver {
    hanging_resolver() { where.start(); }
    ~hanging_resolver() {
        release();
        while (sut.running() > 0) std::this_thread::yield();
    }
    name_lookups::addresses look_up(const std::string& name, std::string& why) {
        std::unique_lock lock(mutex);
        begun.push_back(name);
        changed.notify_all();
        changed.wait(lock, [&] { return released; });
        if (name == "bad") {
            why = "no such name";
            return {};
        }
        return {asio::ip::make_address("192.0.2.1")};
    }
    void release() {
        std::lock_guard lock(mutex);
        released = true;
        changed.notify_all();
    }
    void ask(const std::string& name, time_point deadline = clock::now() + std::chrono::seconds(60)) {
        auto done = [this, name](const name_lookups::addresses& found, const std::string& why) {
            std::lock_guard lock(mutex);
            answers.push_back(name + (found.empty() ? ": " + why : " = " + found.front().to_string()));
            changed.notify_all();
        };
        sut.ask(where, name, deadline, done);
    }
    std::vector<std::string> wait_answers(std::size_t n) {
        std::unique_lock lock(mutex);
        EXPECT_TRUE(changed.wait_for(lock, std::chrono::seconds(10), [&] { return answers.size() >= n; }));
        return answers;
    }
    std::vector<std::string> wait_begun(std::size_t n) {
        std::unique_lock lock(mutex);
        EXPECT_TRUE(changed.wait_for(lock, std::chrono::seconds(10), [&] { return begun.size() >= n; }));
        return begun;
    }

    std::mutex mutex;
    std::condition_variable changed;
    bool released = false;
    std::vector<std::string> begun;
    std::vector<std::string> answers;
    sdk::mock_host host;  // with two worker threads
    loop where{host.get(), "test"};
    name_lookups sut{host.get(), [this](const std::string& name, std::string& why) { return look_up(name, why); }};
};

using texts = std::vector<std::string>;

TEST(http_lookups, askers_for_one_name_share_one_lookup) {
    hanging_resolver r;
    r.ask("a");
    r.wait_begun(1);
    for (int i = 0; i < 20; ++i) r.ask("a");
    r.ask("bad");
    r.ask("bad");
    r.release();
    const auto got = r.wait_answers(23);
    EXPECT_EQ(std::count(got.begin(), got.end(), "a = 192.0.2.1"), 21);
    EXPECT_EQ(std::count(got.begin(), got.end(), "bad: no such name"), 2);
    EXPECT_EQ(r.wait_begun(2), (texts{"a", "bad"}));
    r.ask("a");
    EXPECT_EQ(r.wait_begun(3).back(), "a") << "an answer is not kept";
}

TEST(http_lookups, a_hanging_resolver_takes_four_places_of_the_pool_and_no_more) {
    hanging_resolver r;
    for (int i = 0; i < 30; ++i) r.ask("n" + std::to_string(i));
    EXPECT_EQ(r.sut.running(), name_lookups::k_at_once);
    r.release();
    EXPECT_EQ(r.wait_answers(30).size(), 30u);
}

TEST(http_lookups, nobody_is_looked_up_for_after_the_deadline) {
    hanging_resolver r;
    for (int i = 0; i < 4; ++i) r.ask("n" + std::to_string(i));
    r.wait_begun(2);
    const auto soon = clock::now() + std::chrono::milliseconds(5);
    r.ask("late", soon);
    while (clock::now() <= soon) std::this_thread::yield();
    r.ask("past", soon);
    r.release();
    const auto got = r.wait_answers(6);
    for (auto name : {"late", "past"})
        EXPECT_EQ(std::count(got.begin(), got.end(),
                             std::string(name) + ": the name lookup could not begin before the deadline"),
                  1);
    const auto begun = r.wait_begun(4);
    EXPECT_EQ(std::count(begun.begin(), begun.end(), "late"), 0);
    EXPECT_EQ(begun.size(), 4u);
}

TEST(http_lookups, stopping_answers_everybody_at_once_and_begins_nothing_more) {
    hanging_resolver r;
    for (int i = 0; i < 10; ++i) r.ask("n" + std::to_string(i));
    r.wait_begun(2);
    r.sut.stop();
    r.ask("after");
    for (const auto& text : r.wait_answers(11))
        EXPECT_NE(text.find(": the plugin is going away"), std::string::npos) << text;
    r.release();
    while (r.sut.running() > 0) std::this_thread::yield();
    EXPECT_EQ(r.wait_begun(2).size(), 2u) << "only those that ran already";
    EXPECT_EQ(r.wait_answers(11).size(), 11u);
}

}  // namespace
}  // namespace sigrun::http

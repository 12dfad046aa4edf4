#include "kernel/base/shared_by_text.hpp"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace sigrun {
namespace {

struct word {
    std::string text;
};
struct text_of {
    std::string_view operator()(const word& w) const noexcept { return w.text; }
};
template <std::size_t Slots = 4096>
using words = shared_by_text<word, text_of, Slots>;

std::shared_ptr<const word> made(std::string text) { return std::make_shared<const word>(word{std::move(text)}); }

TEST(shared_by_text, the_same_text_has_the_same_value_while_somebody_holds_it) {
    words<> all;
    EXPECT_EQ(all.find("a"), nullptr);
    auto a = made("a");
    all.keep(a);
    EXPECT_EQ(all.find("a"), a);
    EXPECT_EQ(all.find("b"), nullptr);
    EXPECT_EQ(a.use_count(), 1);
    a.reset();
    EXPECT_EQ(all.find("a"), nullptr);
}

TEST(shared_by_text, what_was_made_with_other_things_is_another_value) {
    words<> all;
    const auto before = made("a"), after = made("a");
    all.keep(before, 1);
    EXPECT_EQ(all.find("a", 2), nullptr);
    all.keep(after, 2);
    EXPECT_EQ(all.find("a", 2), after);
    EXPECT_EQ(all.find("a", 1), nullptr);
}

TEST(shared_by_text, texts_of_one_slot_are_told_apart) {
    words<1> all;
    const auto a = made("a"), b = made("b"), none = made("");
    all.keep(a);
    EXPECT_EQ(all.find("b"), nullptr);
    all.keep(b);
    EXPECT_EQ(all.find("a"), nullptr);
    EXPECT_EQ(all.find("b"), b);
    all.keep(none);
    EXPECT_EQ(all.find(""), none);
}

TEST(shared_by_text, many_threads_get_what_they_ask_for) {
    words<16> all;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&all] {
            for (int i = 0; i < 20'000; ++i) {
                const auto text = std::to_string(i % 50);
                auto found = all.find(text);
                if (!found) all.keep(found = made(text));
                ASSERT_EQ(found->text, text);
            }
        });
    for (auto& t : threads) t.join();
}

}  // namespace
}  // namespace sigrun

// Links of one runner that come and leave faster than they are finished with. The protocol is played by the test.
#include "played_runner.hpp"

namespace sigrun::link_test {
namespace {

using leaving = played_runner;

TEST_F(leaving, a_chain_of_links_is_closed_but_for_the_last) {
    std::vector<end_ptr> left;
    for (std::uint64_t n = 1; n < 20; ++n) left.push_back(connect(n));
    const auto last = connect(20);
    EXPECT_TRUE(in_use(last));
    expect_closed(left, last);
    EXPECT_TRUE(in_use(last));
}

TEST_F(leaving, a_link_adopted_after_the_next_one_does_not_replace_it) {
    const auto first = connect(1);
    const auto second_ticket = ticket(2), third_ticket = ticket(3);
    const auto third = adopt(3, third_ticket);
    const auto second = adopt(2, second_ticket);
    EXPECT_TRUE(in_use(third));
    expect_closed({first, second}, third);
    EXPECT_TRUE(in_use(third));
}

TEST_F(leaving, what_is_not_answered_any_more_over_a_link_that_left_is_asked_over_its_successor) {
    const auto first = connect(1), second = connect(2);
    EXPECT_TRUE(within(std::chrono::seconds(5), [&] { return second->questions > 0; }));
    const auto third = connect(3);
    second->questions = 0;
    expect_closed({first, second}, third,
                  std::chrono::seconds(2));  // which is when it would be asked again in any case
}

TEST_F(leaving, nobody_is_taken_in_once_it_has_stopped) {
    const auto late = ticket(1);
    fleet_->stop();
    const auto link = adopt(1, late);
    EXPECT_TRUE(within(std::chrono::seconds(5), [&] { return link->closed.load(); }));
}

}  // namespace
}  // namespace sigrun::link_test

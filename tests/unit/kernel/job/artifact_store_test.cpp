// Contents by their hash: held, let go, counted again by the next life, and swept.
#include "artifact_folder.hpp"

#include <fcntl.h>

#include <algorithm>

namespace sigrun::job_test {
namespace {

class artifact_store_test : public artifact_folder {};

TEST_F(artifact_store_test, a_content_is_here_until_the_last_who_holds_it_lets_go) {
    const auto what = put("hello");
    EXPECT_EQ(content(what), "hello");
    EXPECT_TRUE(store_->hold(what));
    store_->let_go(what);
    EXPECT_EQ(content(what), "hello");
    EXPECT_EQ(store_->count().bytes, 5u);
    store_->let_go(what);
    EXPECT_EQ(store_->read(what).error().code, errc::not_found);
    EXPECT_FALSE(store_->hold(what));
    EXPECT_EQ(store_->count().bytes, 0u);
    EXPECT_EQ(files(), 0u);
}

TEST_F(artifact_store_test, equal_contents_are_one_file) {
    const auto one = put("the same"), again = put("the same");
    EXPECT_EQ(one, again);
    EXPECT_EQ(files(), 1u);
    EXPECT_EQ(store_->count().bytes, 8u);
    EXPECT_EQ(store_->count().references, 2u);
}

TEST_F(artifact_store_test, the_next_life_finds_them_and_sweeps_only_what_nobody_holds_for_long) {
    const auto held = put("held", true), fresh = put("fresh"), old = put("old and forgotten");
    std::ofstream(store_->partial("job-1")) << "part";
    open();
    EXPECT_EQ(store_->count().contents, 3u);
    EXPECT_EQ(store_->count().references, 0u);
    EXPECT_TRUE(store_->hold(held));
    EXPECT_EQ(store_->sweep(), 0u) << "they were written just now";
    grow_old(dir_ + "/artifacts");
    open();
    EXPECT_TRUE(store_->hold(held));
    EXPECT_TRUE(store_->hold(fresh));
    EXPECT_EQ(store_->sweep(), 2u) << "one content and one part";
    EXPECT_EQ(content(held), "held");
    EXPECT_EQ(content(fresh), "fresh");
    EXPECT_FALSE(store_->has(old));
}

TEST_F(artifact_store_test, what_is_let_go_when_the_daemon_stops_is_still_there_in_its_next_life) {
    const auto what = put("hello");
    store_->stop();
    store_->let_go(what);
    open();
    EXPECT_EQ(content(what), "hello");
}

TEST_F(artifact_store_test, a_set_holds_its_contents_and_tells_by_name) {
    const auto what = put("hello");
    auto set = std::make_shared<artifact_set>(store_, artifact_list{what, artifact_with("gone", "never here")});
    store_->let_go(what);
    EXPECT_EQ(content(what), "hello");
    ASSERT_NE(set->find("a"), nullptr);
    EXPECT_EQ(set->find("a")->size, 5u);
    EXPECT_EQ(set->find("b"), nullptr);
    EXPECT_EQ(set->store()->read(*set->find("gone")).error().code, errc::not_found);
    set.reset();
    EXPECT_EQ(files(), 0u);
}

TEST_F(artifact_store_test, room_is_reserved_used_and_given_back_and_what_nobody_holds_makes_way) {
    store_->set_limits({1000, 1000, 100});
    EXPECT_TRUE(store_->reserve(100));
    auto first = store_->reserve(60);
    ASSERT_TRUE(first);
    const auto refused = store_->reserve(41);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("jobs.artifact_store_limit"), std::string::npos);
    const auto what = put(std::string(60, 'x'));
    (*first)->used(60);
    EXPECT_EQ(store_->count().reserved, 0u);
    EXPECT_FALSE(store_->reserve(41)) << "it is kept now";
    open();
    store_->set_limits({1000, 1000, 100});
    EXPECT_TRUE(store_->reserve(41)) << "and nobody holds it any more";
    EXPECT_FALSE(store_->has(what));
}

TEST_F(artifact_store_test, so_many_upload_at_once_and_the_others_have_their_turn_later) {
    std::vector<std::shared_ptr<void>> turns;
    for (std::size_t i = 0; i < artifact_store::k_at_once + 3; ++i)
        store_->when_turn([&](std::shared_ptr<void> mine) { turns.push_back(std::move(mine)); });
    ASSERT_EQ(turns.size(), artifact_store::k_at_once);
    turns.front().reset();
    EXPECT_EQ(turns.size(), artifact_store::k_at_once + 1);
    std::size_t ended = 1;
    for (; !turns.empty(); ++ended) {
        const auto over = std::move(turns.back());  // who ends it calls the next one
        turns.pop_back();
        turns.erase(std::remove(turns.begin(), turns.end(), nullptr), turns.end());
    }
    EXPECT_EQ(ended, artifact_store::k_at_once + 3);
}

TEST_F(artifact_store_test, a_file_of_another_size_is_damage_and_not_the_content) {
    const auto what = put("hello");
    for (const auto& entry : std::filesystem::recursive_directory_iterator(dir_))
        if (entry.is_regular_file()) std::filesystem::resize_file(entry.path(), 3);
    EXPECT_EQ(store_->read(what).error().code, errc::io);
}

}  // namespace
}  // namespace sigrun::job_test

// Bytes on their way into the store: in order, cut anywhere, after a restart, already here, and not what was said.
#include "artifact_folder.hpp"

#include <sigrun/base.h>

#include <future>

namespace sigrun::job_test {
namespace {

using namespace std::chrono_literals;

class artifact_upload_test : public artifact_folder {
protected:
    void begin(const artifact_list& all, bool durable = false, const std::string& name = "job-1") {
        told_ = {};
        upload_ =
            std::make_shared<artifact_upload>(store_, name, all, durable, [this](const artifact_upload::told& what) {
                std::lock_guard lock(mutex_);
                told_.push_back(what);
                changed_.notify_all();
            });
        upload_->begin();
    }
    /// Waits until something fits what was told last.
    template <class Fits>
    artifact_upload::told wait(Fits fits) {
        std::unique_lock lock(mutex_);
        if (!changed_.wait_for(lock, 10s, [&] { return !told_.empty() && fits(told_.back()); })) {
            ADD_FAILURE() << "not told within 10 s; last: " << (told_.empty() ? 0 : told_.back().position);
            return {};
        }
        return told_.back();
    }
    artifact_upload::told wait_position(std::uint64_t position) {
        return wait([=](const auto& t) { return t.position == position && !t.fault; });
    }
    artifact_fault wait_fault() {
        return wait([](const auto& t) { return t.fault.has_value(); }).fault.value_or(artifact_fault{});
    }
    void send(std::uint64_t position, std::string_view bytes) {
        EXPECT_EQ(upload_->take(position, buffer_ref::copy_of(bytes)), SIGRUN_OK);
    }
    void TearDown() override {
        upload_.reset();
        if (store_) store_->stop();
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<artifact_upload::told> told_;
    std::shared_ptr<artifact_upload> upload_;
};

TEST_F(artifact_upload_test, pieces_of_several_artifacts_come_in_order_and_are_held_by_the_set) {
    const artifact_list all{artifact_with("a", "hello"), artifact_with("empty", ""), artifact_with("b/c", "world!")};
    begin(all, true);
    wait_position(0);
    send(0, "hel");
    send(3, "lo");
    wait_position(5);
    EXPECT_EQ(upload_->finished(), nullptr) << "not all are here";
    send(5, "world!");
    wait_position(11);
    auto set = upload_->finished();
    ASSERT_NE(set, nullptr);
    upload_.reset();
    EXPECT_EQ(content(*set->find("a")), "hello");
    EXPECT_EQ(content(*set->find("empty")), "");
    EXPECT_EQ(content(*set->find("b/c")), "world!");
    EXPECT_EQ(store_->count().reserved, 0u);
    set.reset();
    EXPECT_EQ(files(), 0u);
}

TEST_F(artifact_upload_test, a_cut_at_any_byte_is_gone_on_with_after_another_connection_and_another_life) {
    const auto bytes = noise(50);
    const artifact_list all{artifact_with("a", bytes.substr(0, 20)), artifact_with("b", bytes.substr(20))};
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
        begin(all);
        wait_position(0);
        if (cut) send(0, std::string_view(bytes).substr(0, std::min<std::size_t>(cut, 20)));
        if (cut > 20) send(20, std::string_view(bytes).substr(20, cut - 20));
        wait_position(cut);
        if (cut % 2) {  // the daemon goes, too
            store_->stop();
            upload_.reset();
            open();
            begin(all);
        } else {
            upload_->begin();
        }
        const auto from = wait([](const auto&) { return true; }).position;
        ASSERT_LE(from, cut);
        ASSERT_TRUE(from == cut) << "everything is still there: " << from << " of " << cut;
        for (std::size_t at = from; at < bytes.size();) {
            const auto n = std::min<std::size_t>(7, (at < 20 ? 20 : bytes.size()) - at);
            send(at, std::string_view(bytes).substr(at, n));
            at += n;
        }
        wait_position(bytes.size());
        const auto set = upload_->finished();
        ASSERT_NE(set, nullptr) << cut;
        EXPECT_EQ(content(all[0]) + content(all[1]), bytes) << cut;
        upload_.reset();
    }
}

TEST_F(artifact_upload_test, what_is_here_already_is_jumped_over) {
    const auto known = put("already here"), also = put("this, too");
    const artifact_list all{{"x", known.size, known.sha256},
                            artifact_with("new", "new"),
                            {"y", also.size, also.sha256},
                            {"x again", known.size, known.sha256}};
    begin(all, true);
    wait_position(known.size);
    send(known.size, "new");
    wait_position(size_of(all));
    const auto set = upload_->finished();
    ASSERT_NE(set, nullptr);
    EXPECT_EQ(content(*set->find("x again")), "already here");
    EXPECT_EQ(store_->count().contents, 3u);
}

TEST_F(artifact_upload_test, doubled_bytes_are_ignored_and_a_gap_is_told_as_where_to_go_on) {
    const artifact_list all{artifact_with("a", "0123456789")};
    begin(all);
    wait_position(0);
    send(0, "01234");
    send(2, "2345");
    wait_position(6);
    send(8, "89");
    wait_position(6);
    send(0, "0123456789");
    wait_position(10);
    const auto set = upload_->finished();
    ASSERT_NE(set, nullptr);
    EXPECT_EQ(content(all[0]), "0123456789");
}

TEST_F(artifact_upload_test, bytes_that_are_not_what_was_said_are_not_kept) {
    begin({artifact_with("a", "hello")});
    wait_position(0);
    send(0, "hellO");
    const auto why = wait_fault();
    EXPECT_EQ(why.cls, "infra_runner");
    EXPECT_EQ(why.code, "artifact_changed");
    EXPECT_NE(why.message.find("artifact a"), std::string::npos) << why.message;
    EXPECT_EQ(upload_->finished(), nullptr);
    upload_->begin();
    EXPECT_EQ(wait_fault().code, "artifact_changed") << "asked again, it says the same";
    EXPECT_EQ(files(), 0u);
    EXPECT_EQ(store_->count().reserved, 0u);
}

TEST_F(artifact_upload_test, limits_are_told_before_a_byte_comes) {
    store_->set_limits({4, 100, 100});
    begin({artifact_with("large", "hello")});
    auto why = wait_fault();
    EXPECT_EQ(why.cls, "resource");
    EXPECT_NE(why.message.find("jobs.artifact_limit"), std::string::npos) << why.message;
    store_->set_limits({4, 7, 100});
    begin({artifact_with("a", "1234"), artifact_with("b", "5678")});
    why = wait_fault();
    EXPECT_EQ(why.cls, "resource");
    EXPECT_NE(why.message.find("jobs.job_artifacts_limit"), std::string::npos) << why.message;
    store_->set_limits({100, 100, 10});
    begin({artifact_with("a", "12345678901")});
    why = wait_fault();
    EXPECT_EQ(why.cls, "infra_dependency");
    EXPECT_EQ(why.code, "artifact_store");
    EXPECT_NE(why.message.find("jobs.artifact_store_limit"), std::string::npos) << why.message;
}

TEST_F(artifact_upload_test, what_is_left_of_one_artifact_is_not_the_beginning_of_another) {
    const artifact_list all{artifact_with("a", "0123456789"), artifact_with("b", "abcdefghij")};
    begin(all);
    wait_position(0);
    send(0, "0123456789");
    send(10, "abcde");
    wait_position(15);
    // Lost, and back again: the whole one was let go, the part is still there.
    upload_.reset();
    std::promise<void> done;
    store_->post([&] { done.set_value(); });
    done.get_future().wait();
    EXPECT_FALSE(store_->has(all[0]));
    begin(all);
    wait_position(0);
    send(0, "0123456789");
    wait_position(15);
    send(15, "fghij");
    wait_position(20);
    EXPECT_NE(upload_->finished(), nullptr);
}

TEST_F(artifact_upload_test, what_came_of_one_that_is_not_wanted_any_more_is_removed) {
    begin({artifact_with("a", "hello"), artifact_with("b", "world")});
    wait_position(0);
    send(0, "hello");
    send(5, "wo");
    wait_position(7);
    upload_->discard();
    upload_.reset();
    std::promise<void> done;
    store_->post([&] { done.set_value(); });
    done.get_future().wait();
    EXPECT_EQ(files(), 0u);
    EXPECT_EQ(store_->count().contents, 0u);
}

TEST_F(artifact_upload_test, more_than_may_be_on_its_way_is_refused_for_now) {
    begin({artifact_with("a", noise(9u << 20))});
    wait_position(0);
    // Nothing is written while the store's thread is held up here.
    std::mutex gate;
    std::unique_lock held(gate);
    store_->post([&] { std::lock_guard wait(gate); });
    const auto piece = noise(1u << 20);
    for (int i = 0; i < 4; ++i)
        EXPECT_EQ(upload_->take(std::uint64_t{1u << 20} * static_cast<unsigned>(i), buffer_ref::copy_of(piece)),
                  SIGRUN_OK);
    EXPECT_EQ(upload_->take(4u << 20, buffer_ref::copy_of(piece)), SIGRUN_E_BUSY);
    held.unlock();
    wait_position(4u << 20);
}

TEST_F(artifact_upload_test, one_of_many_waits_for_its_turn_and_takes_nothing_before) {
    std::vector<std::shared_ptr<void>> turns;
    for (std::size_t i = 0; i < artifact_store::k_at_once; ++i)
        store_->when_turn([&](std::shared_ptr<void> mine) { turns.push_back(std::move(mine)); });
    begin({artifact_with("a", "hello")});
    send(0, "hello");
    {
        std::lock_guard lock(mutex_);
        EXPECT_TRUE(told_.empty());
    }
    turns.pop_back();
    wait_position(0);
    send(0, "hello");
    wait_position(5);
}

}  // namespace
}  // namespace sigrun::job_test

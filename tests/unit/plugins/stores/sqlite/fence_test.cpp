#include "store_fixture.hpp"

#include <sys/wait.h>
#include <unistd.h>

using namespace sigrun;
using namespace sigrun::test;

TEST(sqlite_fence, each_take_raises_the_epoch_and_stops_the_former_owner) {
    folder dir;
    store first(dir.file());
    auto old_epoch = first.take();
    EXPECT_EQ(old_epoch, 1u);
    ASSERT_EQ(first.append(old_epoch, {{1, "a", "{}"}}).result, SIGRUN_OK);

    store second(dir.file());
    auto new_epoch = second.take();
    EXPECT_EQ(new_epoch, 2u);
    auto refused = first.append(old_epoch, {{1, "b", "{}"}});
    EXPECT_EQ(refused.result, SIGRUN_E_FENCED);
    EXPECT_NE(refused.text.find("epoch 2"), std::string::npos) << refused.text;
    EXPECT_EQ(second.append(new_epoch, {{1, "c", "{}"}}).result, SIGRUN_OK);
    auto all = second.scan();
    ASSERT_EQ(all.records.size(), 2u);
    EXPECT_EQ(all.records[1].key, "c");
}

TEST(sqlite_fence, renew_tells_the_owner_and_refuses_others) {
    folder dir;
    store s(dir.file());
    auto epoch = s.take();
    EXPECT_EQ(s.own(SIGRUN_OWN_RENEW, epoch).text, "{\"epoch\":1}");
    EXPECT_EQ(s.own(SIGRUN_OWN_RENEW, epoch + 1).result, SIGRUN_E_FENCED);
    EXPECT_EQ(s.own(SIGRUN_OWN_RENEW, epoch, 5).result, SIGRUN_E_FENCED) << "a shard nobody took";
}

TEST(sqlite_fence, release_ends_the_right_to_write) {
    folder dir;
    store s(dir.file());
    auto epoch = s.take();
    EXPECT_EQ(s.own(SIGRUN_OWN_RELEASE, epoch).result, SIGRUN_OK);
    EXPECT_EQ(s.append(epoch, {{1, "a", "{}"}}).result, SIGRUN_E_FENCED);
    EXPECT_EQ(s.own(SIGRUN_OWN_RELEASE, epoch).result, SIGRUN_E_FENCED);
    EXPECT_EQ(s.take(), 3u);
}

TEST(sqlite_fence, append_to_a_shard_nobody_took_is_fenced) {
    folder dir;
    store s(dir.file());
    EXPECT_EQ(s.append(0, {{1, "a", "{}"}}).result, SIGRUN_E_FENCED);
    EXPECT_EQ(s.append(UINT64_MAX, {{1, "a", "{}"}}).result, SIGRUN_E_FENCED);
}

TEST(sqlite_fence, another_process_that_takes_the_shard_fences_this_one) {
    folder dir;
    int go[2];
    ASSERT_EQ(pipe(go), 0);
    auto child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        char c = 0;
        if (read(go[0], &c, 1) != 1) _exit(2);
        try {
            store other(dir.file());
            _exit(other.take() == 2 ? 0 : 3);
        } catch (...) {
            _exit(4);
        }
    }
    store s(dir.file());
    auto epoch = s.take();
    ASSERT_EQ(s.append(epoch, {{1, "a", "{}"}}).result, SIGRUN_OK);
    ASSERT_EQ(write(go[1], "g", 1), 1);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    ASSERT_EQ(WEXITSTATUS(status), 0);
    EXPECT_EQ(s.append(epoch, {{1, "b", "{}"}}).result, SIGRUN_E_FENCED);
    EXPECT_EQ(s.scan().records.size(), 1u);
    close(go[0]);
    close(go[1]);
}

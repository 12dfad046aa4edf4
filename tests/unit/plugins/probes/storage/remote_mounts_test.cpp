// Remote mounts that answer, are slow, are dead, and hold on to whoever asks: FUSE mounts that this test serves itself.
#include "remote_mounts.hpp"

#include "calls.hpp"

#include <linux/fuse.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <atomic>
#include <cstring>
#include <thread>

namespace sigrun::storage {
namespace {

using std::chrono::milliseconds;
using steady = std::chrono::steady_clock;

/// A FUSE file system at a folder, in a mount name space of this process.
class fuse_mount {
public:
    enum class manner {
        dead,      // nobody reads the questions
        answers,   // as a file system does
        swallows,  // the question is taken and never answered: who asked cannot be ended
    };
    fuse_mount(const std::string& folder, manner how) : folder_(folder), how_(how) {
        fd_ = ::open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK);
        const auto options = "fd=" + std::to_string(fd_) + ",rootmode=40000,user_id=0,group_id=0,allow_other";
        made_ = fd_ >= 0 && ::mount("test", folder.c_str(), "fuse.test", 0, options.c_str()) == 0;
        if (made_ && how != manner::dead) server_ = std::thread([this] { serve(); });
    }
    fuse_mount(const fuse_mount&) = delete;
    ~fuse_mount() { end(); }
    bool made() const noexcept { return made_; }
    unsigned asked() const noexcept { return asked_; }
    /// The file system goes; whoever waits for it gets an error.
    void end() {
        stop_ = true;
        if (server_.joinable()) server_.join();
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
        if (std::exchange(made_, false)) ::umount2(folder_.c_str(), MNT_DETACH);
    }

private:
    template <class Body>
    void reply(std::uint64_t unique, const Body& body) {
        struct {
            fuse_out_header head;
            Body body;
        } out{};
        out.head.len = sizeof out.head + sizeof body;
        out.head.unique = unique;
        out.body = body;
        EXPECT_EQ(::write(fd_, &out, sizeof out.head + sizeof body), static_cast<ssize_t>(out.head.len));
    }
    void serve() {
        std::vector<char> room(1 << 18);
        while (!stop_) {
            pollfd one{fd_, POLLIN, 0};
            if (::poll(&one, 1, 10) <= 0) continue;
            if (::read(fd_, room.data(), room.size()) < static_cast<ssize_t>(sizeof(fuse_in_header))) continue;
            fuse_in_header head;
            std::memcpy(&head, room.data(), sizeof head);
            if (head.opcode == FUSE_INIT) {
                fuse_init_out init{};
                init.major = FUSE_KERNEL_VERSION;
                init.minor = FUSE_KERNEL_MINOR_VERSION;
                init.max_write = 4096;
                init.max_background = 4;
                reply(head.unique, init);
            } else if (head.opcode == FUSE_STATFS) {
                ++asked_;
                fuse_statfs_out out{};
                out.st.bsize = out.st.frsize = 4096;
                out.st.blocks = 1000;
                out.st.bfree = out.st.bavail = 250;
                out.st.files = 100;
                out.st.ffree = 40;
                if (how_ == manner::answers) reply(head.unique, out);
            } else if (head.opcode != FUSE_FORGET && head.opcode != FUSE_INTERRUPT) {
                const fuse_out_header no{sizeof(fuse_out_header), -ENOSYS, head.unique};
                EXPECT_EQ(::write(fd_, &no, sizeof no), static_cast<ssize_t>(sizeof no));
            }
        }
    }
    const std::string folder_;
    const manner how_;
    int fd_ = -1;
    bool made_ = false;
    std::atomic<bool> stop_{false};
    std::atomic<unsigned> asked_{0};
    std::thread server_;
};

bool forever() { return true; }

class remote_mount : public testing::Test {
protected:
    void SetUp() override {
        // For this thread and those that it starts; the mounts go with them.
        if (::unshare(CLONE_FS | CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
            GTEST_SKIP() << "no mount name space may be made here";
        for (const char* name : {"a", "b"}) std::filesystem::create_directories(tree_.path() + "/" + name);
    }
    std::string at(const char* name) const { return tree_.path() + "/" + name; }

    machines::scratch_tree tree_;
    remote_mounts workers_;
};

TEST_F(remote_mount, that_answers_is_described) {
    const fuse_mount good(at("a"), fuse_mount::manner::answers);
    if (!good.made()) GTEST_SKIP() << "no FUSE mount may be made here";
    const auto answers = workers_.ask({at("a")}, milliseconds(20'000), forever);
    ASSERT_TRUE(answers.contains(at("a")));
    const auto& one = answers.at(at("a"));
    EXPECT_TRUE(one.responsive);
    EXPECT_EQ(one.room.error, 0);
    EXPECT_EQ(one.room.value.total_bytes, 4096u * 1000);
    EXPECT_EQ(one.room.value.available_bytes, 4096u * 250);
    EXPECT_EQ(one.room.value.inodes_free, 40u);
    EXPECT_EQ(good.asked(), 1u);
    EXPECT_EQ(workers_.stuck(), 0u);
}

TEST_F(remote_mount, that_is_dead_does_not_respond_within_a_second_and_keeps_no_process) {
    const fuse_mount dead(at("a"), fuse_mount::manner::dead);
    const fuse_mount good(at("b"), fuse_mount::manner::answers);
    if (!dead.made() || !good.made()) GTEST_SKIP() << "no FUSE mount may be made here";
    const auto begin = steady::now();
    const auto answers = workers_.ask({at("a"), at("b")}, milliseconds(700), forever);
    EXPECT_LT(steady::now() - begin, milliseconds(5000)) << "the machine that runs this test may be busy";
    EXPECT_FALSE(answers.at(at("a")).responsive);
    EXPECT_TRUE(answers.at(at("b")).responsive) << "one that is dead delays no other";
    EXPECT_EQ(workers_.stuck(), 0u) << "who waits for an unread question can be ended";
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG | __WALL), -1) << "a worker was left behind";
}

TEST_F(remote_mount, that_holds_on_to_who_asks_is_asked_by_one_process_only) {
    fuse_mount bad(at("a"), fuse_mount::manner::swallows);
    if (!bad.made()) GTEST_SKIP() << "no FUSE mount may be made here";
    for (int i = 0; i < 5; ++i) {
        const auto answers = workers_.ask({at("a")}, milliseconds(i == 0 ? 1000 : 100), forever);
        EXPECT_FALSE(answers.at(at("a")).responsive);
        EXPECT_LE(workers_.stuck(), 1u);
    }
    if (workers_.stuck() == 1) {
        EXPECT_EQ(bad.asked(), 1u) << "the others would hang beside the first";
    }
    bad.end();
    const auto end = steady::now() + std::chrono::seconds(20);
    while (workers_.stuck() > 0 && steady::now() < end) workers_.ask({at("a")}, milliseconds(2000), forever);
    EXPECT_EQ(workers_.stuck(), 0u) << "the mount has gone, and so has who waited for it";
}

TEST_F(remote_mount, is_left_alone_once_the_run_shall_end) {
    const fuse_mount dead(at("a"), fuse_mount::manner::dead);
    if (!dead.made()) GTEST_SKIP() << "no FUSE mount may be made here";
    const auto begin = steady::now();
    const auto answers = workers_.ask({at("a")}, milliseconds(20'000), [] { return false; });
    EXPECT_LT(steady::now() - begin, milliseconds(5000));
    EXPECT_FALSE(answers.at(at("a")).responsive);
}

TEST_F(remote_mount, shows_in_the_list_of_file_systems) {
    const fuse_mount dead(at("a"), fuse_mount::manner::dead);
    const fuse_mount good(at("b"), fuse_mount::manner::answers);
    if (!dead.made() || !good.made()) GTEST_SKIP() << "no FUSE mount may be made here";
    machines::fact_map facts;
    // /proc/self is that of the first thread, whose name space may be another one.
    machines::scratch_tree machine;
    machine.write("proc/self/mountinfo", machines::slurp("/proc/thread-self/mountinfo"));
    facts = machines::facts_below(machine.path(), [&](auto& root, auto& run) {
        collect_remote(root, machine_calls{}, workers_, milliseconds(500), run);
    });
    std::map<std::string, machines::json::object> records;
    const auto list = machines::value_of(facts, "fs");
    ASSERT_TRUE(list.is_array());
    for (const auto& item : list.as_array()) records[std::string(item.at("mount").as_string())] = item.as_object();
    EXPECT_EQ(records.at(at("a")).at("responsive"), machines::json::value(false));
    EXPECT_FALSE(records.at(at("a")).contains("total_bytes"));
    EXPECT_EQ(records.at(at("b")).at("responsive"), machines::json::value(true));
    EXPECT_EQ(records.at(at("b")).at("available_bytes"), machines::json::value(4096u * 250));
    EXPECT_EQ(facts.at("fs").at("confidence"), machines::json::value(100));
}

TEST(remote_mounts_of_a_machine, without_any_say_so) {
    machines::scratch_tree tree;
    tree.write("proc/self/mountinfo", "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
    remote_mounts workers;
    const auto facts = machines::facts_below(tree.path(), [&](auto& root, auto& run) {
        collect_remote(root, machine_calls{}, workers, milliseconds(100), run);
    });
    EXPECT_EQ(machines::status_of(facts, "fs"), "absent");
}

}  // namespace
}  // namespace sigrun::storage

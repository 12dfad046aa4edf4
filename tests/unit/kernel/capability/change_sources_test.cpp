#include "kernel/capability/events/change_source.hpp"
#include "kernel/capability/events/change_watch.hpp"
#include "tests/unit/kernel/capability/detector_rig.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>

#include <condition_variable>
#include <cstring>
#include <fstream>
#include <mutex>
#include <set>
#include <thread>

namespace sigrun {
namespace {

using namespace std::chrono_literals;
using strings = std::vector<std::string>;

/// An io thread, and what the sources said on it.
class change_sources : public ::testing::Test {
protected:
    ~change_sources() override { stop(); }
    void stop() {
        watch_.reset();
        boost::asio::post(io_, [this] { kept_.clear(); });
        work_.reset();
        if (thread_.joinable()) thread_.join();
    }
    strings start(std::vector<std::unique_ptr<change_source>> sources) {
        watch_ = std::make_unique<change_watch>(io_, std::move(sources), [this](const strings& prefixes) {
            std::lock_guard lock(mutex_);
            told_.insert(prefixes.begin(), prefixes.end());
            ++notices_;
            changed_.notify_all();
        });
        return watch_->start();
    }
    strings start(std::unique_ptr<change_source> one) {
        std::vector<std::unique_ptr<change_source>> all;
        all.push_back(std::move(one));
        return start(std::move(all));
    }
    /// Within a deadline that only a hang can miss.
    bool told(const std::string& prefix) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, 60s, [&] { return told_.count(prefix) > 0; });
    }
    void forget() {
        std::lock_guard lock(mutex_);
        told_.clear();
    }
    std::string path(const std::string& name) const { return folder_.path() + "/" + name; }
    static void write(const std::string& file, const std::string& text) { std::ofstream(file) << text; }

    scratch_folder folder_;
    boost::asio::io_context io_;
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io_.get_executor()};
    std::mutex mutex_;
    std::condition_variable changed_;
    std::set<std::string> told_;
    int notices_ = 0;
    std::unique_ptr<change_watch> watch_;
    std::vector<std::unique_ptr<change_source>> kept_;
    std::thread thread_{[this] { io_.run(); }};
};

TEST_F(change_sources, a_file_that_is_written_replaced_or_removed_is_told) {
    write(path("status"), "1");
    ASSERT_EQ(start(watch_files(io_, {{path("status"), {"pkg."}}, {path("other"), {"os."}}})), strings{"inotify"});
    write(path("status"), "2");
    EXPECT_TRUE(told("pkg."));
    forget();
    write(path("status.new"), "3");
    std::filesystem::rename(path("status.new"), path("status"));
    EXPECT_TRUE(told("pkg."));
    forget();
    std::filesystem::remove(path("status"));
    EXPECT_TRUE(told("pkg."));
    EXPECT_EQ(told_.count("os."), 0u) << "its neighbour is another file";
}

TEST_F(change_sources, a_folder_that_comes_later_is_watched_from_then_on) {
    start(watch_files(io_, {{path("facts.d"), {"custom."}}}));
    std::filesystem::create_directory(path("facts.d"));
    ASSERT_TRUE(told("custom."));
    forget();
    write(path("facts.d/a.ini"), "x");
    EXPECT_TRUE(told("custom."));
}

TEST_F(change_sources, many_changes_are_few_notices) {
    start(watch_files(io_, {{folder_.path(), {"custom."}}, {path("last"), {"last."}}}));
    for (int i = 0; i < 500; ++i) write(path("f" + std::to_string(i)), "x");
    write(path("last"), "x");
    ASSERT_TRUE(told("last."));
    std::lock_guard lock(mutex_);
    EXPECT_LE(notices_, 20);
}

TEST_F(change_sources, where_nothing_can_be_watched_start_says_so) {
    EXPECT_EQ(start(watch_files(io_, {{path("no/such/folder"), {"x."}}})), strings{});
    EXPECT_EQ(start(watch_mounts(io_, path("missing"))), strings{});
    EXPECT_EQ(start(watch_pressure(io_, "memory", folder_.path())), strings{});
    write(path("plain"), "a file that cannot be waited for");
    EXPECT_EQ(start(watch_mounts(io_, path("plain"))), strings{});
}

TEST_F(change_sources, fingerprints_find_what_no_event_tells_of) {
    write(path("file"), "1");
    std::filesystem::create_directory(path("folder"));
    start(watch_fingerprints(io_,
                             {{path("file"), {"file."}},
                              {path("folder"), {"folder."}},
                              {path("none"), {"none."}},
                              {"/proc/self/cmdline", {"still."}}},
                             10ms));
    write(path("folder/new"), "");
    EXPECT_TRUE(told("folder."));
    write(path("file"), "22");
    EXPECT_TRUE(told("file."));
    write(path("none"), "now it is there");
    EXPECT_TRUE(told("none."));
    EXPECT_EQ(told_.count("still."), 0u);
}

TEST_F(change_sources, an_end_while_things_change_is_quiet) {
    for (int round = 0; round < 10; ++round) {
        start(watch_files(io_, {{folder_.path(), {"custom."}}}));
        std::thread writer([&] {
            for (int i = 0; i < 20; ++i) write(path("f" + std::to_string(i)), "x");
        });
        watch_.reset();
        writer.join();
    }
}

/// A thread with a network and a list of mounts of its own, in which something changes; skipped where that is not allowed.
bool elsewhere(const std::function<void()>& what, const std::function<void()>& prepare) {
    bool allowed = false;
    std::thread([&] {
        allowed = ::unshare(CLONE_NEWNET | CLONE_NEWNS) == 0 &&
                  ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
        if (!allowed) return;
        prepare();
        what();
    }).join();
    return allowed;
}

TEST_F(change_sources, an_interface_that_comes_up_and_a_new_mount_are_told_at_once) {
    strings names;
    const bool allowed = elsewhere(
        [&] {
            const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
            ifreq lo{};
            std::strcpy(lo.ifr_name, "lo");  // down in a new name space
            ASSERT_EQ(::ioctl(fd, SIOCGIFFLAGS, &lo), 0);
            lo.ifr_flags = static_cast<short>(lo.ifr_flags | IFF_UP);
            ASSERT_EQ(::ioctl(fd, SIOCSIFFLAGS, &lo), 0);
            ::close(fd);
            EXPECT_TRUE(told("nic"));
            ASSERT_EQ(::mount("none", path("").c_str(), "tmpfs", 0, nullptr), 0);
            EXPECT_TRUE(told("fs"));
            EXPECT_TRUE(told("block"));
        },
        [&] {
            // The sources belong to the name spaces of the thread that opens them: this one runs the loop for them.
            boost::asio::io_context& io = io_;
            std::vector<std::unique_ptr<change_source>> sources;
            auto network = watch_network(io);
            auto mounts = watch_mounts(io, "/proc/thread-self/mountinfo");
            for (auto* source : {&network, &mounts})
                if ((*source)->start([this](const strings& prefixes) {
                        std::lock_guard lock(mutex_);
                        told_.insert(prefixes.begin(), prefixes.end());
                        changed_.notify_all();
                    }))
                    names.emplace_back((*source)->name());
            kept_.push_back(std::move(network));
            kept_.push_back(std::move(mounts));
        });
    stop();
    if (!allowed) GTEST_SKIP() << "name spaces of its own are not allowed here";
    EXPECT_EQ(names, (strings{"rtnetlink", "/proc/thread-self/mountinfo"}));
}

}  // namespace
}  // namespace sigrun

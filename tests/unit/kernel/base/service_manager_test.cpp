// What a service manager hears, through real datagram sockets, and that it hears nothing once a thread hangs.
#include "kernel/base/service_manager.hpp"

#include "kernel/base/watchdog.hpp"

#include <gtest/gtest.h>

#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstring>
#include <filesystem>

namespace {

using namespace sigrun;
using std::chrono::milliseconds;

/// The socket of a service manager.
class manager_socket {
public:
    explicit manager_socket(std::string name) : name_(std::move(name)) {
        sockaddr_un at{};
        at.sun_family = AF_UNIX;
        std::memcpy(at.sun_path, name_.data(), name_.size());
        if (name_[0] == '@') at.sun_path[0] = 0;
        fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name_.size());
        EXPECT_EQ(::bind(fd_, reinterpret_cast<const sockaddr*>(&at), length), 0) << strerror(errno);
    }
    ~manager_socket() {
        ::close(fd_);
        if (name_[0] != '@') ::unlink(name_.c_str());
    }
    /// The next message, or nothing within this time.
    std::string next(milliseconds within = std::chrono::seconds(10)) const {
        pollfd wait{fd_, POLLIN, 0};
        if (::poll(&wait, 1, static_cast<int>(within.count())) != 1) return {};
        char text[4096];
        const auto n = ::recv(fd_, text, sizeof text, 0);
        return {text, static_cast<std::size_t>(std::max<ssize_t>(n, 0))};
    }
    const std::string& name() const { return name_; }

private:
    std::string name_;
    int fd_;
};

std::string unique_name(const std::string& before) {
    static std::atomic<int> counter{0};
    return before + "sigrun-notify-" + std::to_string(::getpid()) + "-" + std::to_string(++counter);
}

TEST(service_manager, messages_arrive_at_a_path_and_at_an_abstract_name) {
    for (const auto& before : {std::string("/tmp/"), std::string("@")}) {
        manager_socket heard(unique_name(before));
        const service_manager manager(heard.name());
        EXPECT_TRUE(manager.ready("listening on a\nb"));
        EXPECT_EQ(heard.next(), "READY=1\nSTATUS=listening on a b");
        EXPECT_TRUE(manager.ready(""));
        EXPECT_EQ(heard.next(), "READY=1");
        EXPECT_TRUE(manager.status("well"));
        EXPECT_EQ(heard.next(), "STATUS=well");
        EXPECT_TRUE(manager.stopping("bye"));
        EXPECT_EQ(heard.next(), "STOPPING=1\nSTATUS=bye");
        EXPECT_TRUE(manager.ping());
        EXPECT_EQ(heard.next(), "WATCHDOG=1");
        EXPECT_TRUE(manager.reloading());
        EXPECT_EQ(heard.next().rfind("RELOADING=1\nMONOTONIC_USEC=", 0), 0u);
    }
}

TEST(service_manager, without_a_manager_nothing_happens) {
    EXPECT_FALSE(service_manager().ready("x"));
    EXPECT_FALSE(service_manager("/nowhere/at/all").ready("x"));
    EXPECT_FALSE(service_manager(std::string(200, 'x')).ready("x"));
}

TEST(service_manager, the_environment_is_read_once_and_not_passed_on) {
    ::setenv("NOTIFY_SOCKET", "@somewhere", 1);
    ::setenv("WATCHDOG_USEC", "3000000", 1);
    ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
    const auto ours = service_manager::from_environment();
    EXPECT_TRUE(ours.present());
    EXPECT_EQ(ours.watchdog(), std::chrono::seconds(3));
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) EXPECT_EQ(::getenv(name), nullptr);
    EXPECT_FALSE(service_manager::from_environment().present());
}

TEST(service_manager, pings_that_are_for_another_process_are_not_sent_by_this_one) {
    ::setenv("NOTIFY_SOCKET", "@somewhere", 1);
    ::setenv("WATCHDOG_USEC", "3000000", 1);
    ::setenv("WATCHDOG_PID", "1", 1);
    EXPECT_EQ(service_manager::from_environment().watchdog(), nanoseconds(0));
    for (const char* bad : {"", "x", "-5", "99999999999999999"}) {
        ::setenv("NOTIFY_SOCKET", "@somewhere", 1);
        ::setenv("WATCHDOG_USEC", bad, 1);
        EXPECT_EQ(service_manager::from_environment().watchdog(), nanoseconds(0)) << bad;
    }
    ::setenv("NOTIFY_SOCKET", "vsock:2:1", 1);
    EXPECT_FALSE(service_manager::from_environment().present());
}

TEST(watchdog, pings_while_every_thread_answers_and_stops_when_one_hangs) {
    manager_socket heard(unique_name("@"));
    const service_manager manager(heard.name(), milliseconds(200));
    std::atomic<bool> hangs{false};
    std::mutex mutex;
    std::function<void()> kept;
    std::atomic<int> told{0};
    std::vector<watched_thread> threads{{"well", [](auto task) { task(); }}, {"sick", [&](auto task) {
                                                                                  if (!hangs) return task();
                                                                                  std::lock_guard lock(mutex);
                                                                                  kept = task;
                                                                              }}};
    watchdog dog(manager, threads, [&](const std::string& name) {
        EXPECT_EQ(name, "sick");
        ++told;
    });
    EXPECT_EQ(heard.next(), "WATCHDOG=1");
    EXPECT_EQ(heard.next(), "WATCHDOG=1");
    hangs = true;
    while (heard.next(milliseconds(400)) == "WATCHDOG=1") {
    }
    EXPECT_EQ(heard.next(milliseconds(400)), "");
    EXPECT_EQ(told, 1);
    // It was only slow: its answer comes, and so do the pings.
    hangs = false;
    {
        std::lock_guard lock(mutex);
        ASSERT_TRUE(kept);
        kept();
    }
    EXPECT_EQ(heard.next(), "WATCHDOG=1");
}

TEST(watchdog, a_manager_that_waits_for_no_ping_gets_none_and_no_thread_is_asked) {
    manager_socket heard(unique_name("@"));
    const service_manager manager(heard.name());
    bool asked = false;
    watchdog dog(manager, {{"any", [&](auto) { asked = true; }}});
    EXPECT_EQ(heard.next(milliseconds(50)), "");
    EXPECT_FALSE(asked);
}

}  // namespace

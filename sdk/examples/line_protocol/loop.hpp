// One thread that waits for descriptors and for tasks of other threads. Everything of a connection happens here, so that
// only what arrives from elsewhere needs a lock.
#pragma once

#include <sigrun/cpp/host.hpp>

#include <poll.h>

#include <chrono>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace line {

class loop {
public:
    /// What the thread serves. All on the thread.
    struct client {
        virtual ~client() = default;
        virtual void wanted(std::vector<pollfd>& fds) = 0;  // appends its descriptors
        virtual void ready(const pollfd& which) = 0;        // one of them has something
        virtual void look() = 0;                            // after every round: deadlines, goodbyes
        virtual bool finished() const = 0;                  // asked once stop() was called
    };
    explicit loop(sigrun::sdk::host host);
    ~loop();
    loop(const loop&) = delete;
    loop& operator=(const loop&) = delete;

    void start(client& serves);
    bool started() const noexcept { return thread_.joinable(); }  // [ctl]
    /// [any] Runs the task on the thread; never blocks.
    void post(std::function<void()> task);
    /// Waits until the client has finished, and joins.
    void stop();

private:
    void run(client& serves);
    void run_tasks();

    sigrun::sdk::host host_;
    int wake_ = -1;
    std::mutex mutex_;
    std::vector<std::function<void()>> tasks_;
    bool stopping_ = false;  // on the thread
    std::thread thread_;
};

}  // namespace line

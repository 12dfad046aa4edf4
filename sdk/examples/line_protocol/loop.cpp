#include "loop.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

namespace line {

using namespace sigrun::sdk;
constexpr int k_round_ms = 200;  // deadlines are looked at this often

loop::loop(host h) : host_(h), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (wake_ < 0) throw failure(SIGRUN_E_IO, "eventfd: no descriptor left");
}

loop::~loop() {
    stop();
    ::close(wake_);
}

void loop::start(client& serves) {
    thread_ = std::thread([this, &serves] {
        const thread_scope registered(host_, "line");  // first in the thread: the host counts it
        run(serves);
    });
}

void loop::post(std::function<void()> task) {
    {
        std::lock_guard lock(mutex_);
        tasks_.push_back(std::move(task));
    }
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake_, &one, sizeof one);
}

void loop::stop() {
    if (!thread_.joinable()) return;
    post([this] { stopping_ = true; });
    thread_.join();
}

void loop::run_tasks() {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto got = ::read(wake_, &count, sizeof count);
    std::vector<std::function<void()>> now;
    {
        std::lock_guard lock(mutex_);
        now.swap(tasks_);
    }
    for (auto& task : now) task();
}

void loop::run(client& serves) {
    std::vector<pollfd> fds;
    while (!stopping_ || !serves.finished()) {
        fds.assign(1, {wake_, POLLIN, 0});
        serves.wanted(fds);
        ::poll(fds.data(), fds.size(), k_round_ms);
        if (fds[0].revents) run_tasks();
        for (std::size_t i = 1; i < fds.size(); ++i)
            if (fds[i].revents) serves.ready(fds[i]);
        serves.look();
    }
}

}  // namespace line

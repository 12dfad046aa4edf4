#include "kernel/net/net_loop.hpp"

#include "kernel/guard/crash_reporter.hpp"
#include "kernel/log/loggers.hpp"

#include <pthread.h>

#include <csignal>

namespace sigrun {
void net_loop::run() {
    pthread_setname_np(pthread_self(), "sigrun-net");
    use_alternate_stack();
    // OpenSSL writes to sockets with write(2), and whoever embeds the kernel may not ignore the signal.
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
    for (;;) {
        try {
            context_.run();
            return;
        } catch (const std::exception& e) {
            SIGRUN_LOG(logs::net, error, "a handler failed: ", std::string_view(e.what()));
        }
    }
}

void net_loop::stop(std::function<void()> last) {
    {
        std::lock_guard lock(mutex_);
        if (stopped_) return;
        stopped_ = true;
        if (last) boost::asio::post(context_, std::move(last));
        guard_.reset();
    }
    if (thread_.joinable())
        thread_.join();
    else
        context_.run();  // it was never used: nothing but `last`
}

}  // namespace sigrun

// One attempt to connect: tries the addresses in order until one answers or the deadline passes. Lives on a
// loop.
#pragma once

#include "loop.hpp"
#include "resolver.hpp"

#include <functional>

namespace sigrun::valkyrie {

class connector : public io_handler {
public:
    /// On the loop's thread (or, after the loop has ended, the caller's): a connected descriptor that the
    /// callee owns, or -1, a result and why.
    using done_fn = std::function<void(int fd, sigrun_result result, std::string why)>;

    /// [any]
    static void start(loop& on, resolver& names, const endpoint& where, std::uint64_t deadline, done_fn done);

    connector(loop& on, std::uint64_t deadline, done_fn done)
        : loop_(on), deadline_(deadline), done_(std::move(done)) {}
    void on_events(std::uint32_t events) override;
    void on_deadline(std::uint64_t now) override;
    void on_stop() override { finish(-1, SIGRUN_E_CANCELLED, "the plugin is stopping"); }

private:
    void begin(std::vector<address> addresses);
    void next();
    void drop();
    void finish(int fd, sigrun_result result, std::string why);

    loop& loop_;
    const std::uint64_t deadline_;
    done_fn done_;
    std::vector<address> addresses_;
    std::size_t index_ = 0;
    int fd_ = -1;
    std::string why_;
};

}  // namespace sigrun::valkyrie

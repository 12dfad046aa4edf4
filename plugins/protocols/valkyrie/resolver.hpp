// Names to addresses on a thread of its own, because getaddrinfo blocks. The thread starts with the first
// name that is not a numeric address.
#pragma once

#include "endpoint.hpp"

#include <sigrun/cpp/host.hpp>

#include <sys/socket.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace sigrun::valkyrie {

struct address {
    sockaddr_storage storage{};
    socklen_t size = 0;
    const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage); }
};

class resolver {
public:
    /// Addresses, or none and why.
    using answer = std::function<void(std::vector<address>, std::string why)>;

    explicit resolver(const sdk::host& host) : host_(host) {}
    ~resolver();

    /// [any] Numeric addresses and UNIX paths answer before it returns; names answer from the resolver's
    /// thread.
    void resolve(const endpoint& where, answer done);
    /// Refuses what waits and joins.
    void stop();

private:
    struct question {
        endpoint where;
        answer done;
    };
    void run();

    sdk::host host_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<question> waiting_;
    std::thread thread_;
    bool stopped_ = false;
};

}  // namespace sigrun::valkyrie

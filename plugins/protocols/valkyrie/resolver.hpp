// Names to addresses on threads of their own, because getaddrinfo blocks: a few, so that a name whose server is dead
// does not hold up the others. They start with the first name that is not a numeric address.
//
// One lookup per name at a time: who asks for a name that is being looked up, or waits to be, gets the same answer.
#pragma once

#include "endpoint.hpp"

#include <sigrun/cpp/host.hpp>

#include <sys/socket.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
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
    /// May block for as long as it likes.
    using lookup_fn = std::function<std::vector<address>(const endpoint& where, std::string& why)>;
    static constexpr std::size_t k_threads = 4;

    explicit resolver(const sdk::host& host);
    resolver(const sdk::host& host, lookup_fn lookup) : host_(host), lookup_(std::move(lookup)) {}
    ~resolver();

    /// [any] Numeric addresses and UNIX paths answer before it returns; names answer from a thread of the
    /// resolver. No lookup begins for those whose deadlines (CLOCK_MONOTONIC, ns) have passed.
    void resolve(const endpoint& where, std::uint64_t deadline, answer done);
    /// [any] Lookups that run now, also those that nobody waits for any more: stop() would have to.
    std::size_t running() const noexcept { return running_.load(); }
    /// Refuses what waits and joins; lasts as long as the lookups that are running.
    void stop();

private:
    struct asker {
        std::uint64_t deadline;
        answer done;
    };
    struct question {
        endpoint where;
        std::vector<asker> askers;
    };
    using question_ptr = std::shared_ptr<question>;
    void run();
    void work_on(const question_ptr& q, std::unique_lock<std::mutex>& lock);

    sdk::host host_;
    std::mutex mutex_;
    std::condition_variable changed_;
    const lookup_fn lookup_;
    std::deque<question_ptr> waiting_;
    std::vector<question_ptr> open_;  // waiting or being looked up
    std::vector<std::thread> threads_;
    std::size_t idle_ = 0;
    std::atomic<std::size_t> running_{0};
    bool stopped_ = false;
};

}  // namespace sigrun::valkyrie

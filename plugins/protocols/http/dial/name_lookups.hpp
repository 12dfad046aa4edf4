// Host names to addresses, on worker threads of the host: the system's resolver blocks, and Asio's own would start a
// thread the host knows nothing of. When DNS is down each lookup blocks for many seconds, so few run at once, askers for
// one name share its answer, and whoever is too late by then is not looked up at all. Thread-safe.
#pragma once

#include "loop.hpp"

#include <boost/asio/ip/address.hpp>

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace sigrun::http {

class name_lookups {
public:
    static constexpr std::size_t k_at_once = 4;

    using addresses = std::vector<asio::ip::address>;
    /// No addresses: `why` tells the reason.
    using answer = std::function<void(const addresses& found, const std::string& why)>;
    using resolver = std::function<addresses(const std::string& name, std::string& why)>;

    explicit name_lookups(const sdk::host& host, resolver look_up = system_resolver);
    name_lookups(const name_lookups&) = delete;
    name_lookups& operator=(const name_lookups&) = delete;

    /// [loop of `where`] `done` runs on that loop, never before this returns. After `deadline` no lookup is begun for
    /// this asker; a lookup that runs then goes on.
    void ask(loop& where, const std::string& name, time_point deadline, answer done);
    /// Whoever waits is answered now, and nothing is looked up any more. What runs ends when the system's resolver does.
    void stop();
    /// Calls on host threads that have not returned; the plugin must outlive them.
    std::size_t running() const noexcept { return running_.load(); }

private:
    struct asker {
        loop* where;
        time_point deadline;
        answer done;
    };
    static addresses system_resolver(const std::string& name, std::string& why);
    static void tell(asker& who, const addresses& found, const std::string& why);
    static void forget_late(std::vector<asker>& askers);
    void start_worker();
    void work();
    bool next(std::string& name);

    sdk::host host_;
    resolver look_up_;
    std::atomic<std::size_t> running_{0};
    std::mutex mutex_;
    bool stopped_ = false;
    std::size_t workers_ = 0;
    std::deque<std::string> queue_;                     // names not begun
    std::map<std::string, std::vector<asker>> askers_;  // by name, begun or not
};

}  // namespace sigrun::http

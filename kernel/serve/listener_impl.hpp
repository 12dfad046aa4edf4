// What the files of the listener share: the connections that wait, the protocols that are asked, and the thread's state.
#pragma once

#include "kernel/auth/gate.hpp"
#include "kernel/net/tls_server.hpp"
#include "kernel/serve/listener.hpp"
#include "kernel/serve/listening_socket.hpp"

#include <sigrun/protocol.h>

#include <sys/socket.h>

#include <atomic>
#include <condition_variable>
#include <list>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <unordered_map>

namespace sigrun {

struct listener::impl {
    /// One protocol that takes connections.
    struct candidate {
        std::shared_ptr<instance> plugin;
        const sigrun_serve* serve;
        std::string name;
        std::string alpn;  // comma separated
        counter accepted;
        gauge open;
    };

    /// A connection nobody has recognised yet.
    struct newcomer {
        int fd;
        std::uint64_t session;
        std::uint32_t flags;
        std::uint32_t uid;
        std::string peer, local;
        time_point deadline;
        std::size_t seen = 0;
        std::uint64_t refused_by = 0;  // bit per candidate that said NOT_MINE
        session_peer far{};
        std::string alpn{};
    };

    /// A connection whose handshake is over, on its way back to the listener's thread.
    struct decrypted {
        newcomer what;
        result<tls_accepted> outcome;
    };

    /// One exchange of a protocol, waiting for the listener's thread; without `old` one that is new, without `now` one that goes.
    struct exchange {
        std::shared_ptr<instance> old, now;
        bool done = false;
    };

    struct meters {
        explicit meters(metrics& m)
            : unrecognised(closed(m, "unrecognised")),
              timed_out(closed(m, "timeout")),
              flooded(closed(m, "flood")),
              left(closed(m, "peer_left")),
              refused(closed(m, "plugin_refused")),
              plain(closed(m, "tls_required")),
              handshake(closed(m, "tls_handshake")),
              shortages(m.get_counter("sigrun_accept_shortages_total",
                                      "Times nothing could be accepted for want of descriptors or memory.")),
              waiting(m.get_gauge("sigrun_connections_waiting", "Connections that no protocol has recognised yet.")) {}
        static counter closed(metrics& m, const char* why) {
            return m.get_counter("sigrun_connections_closed_total", "Connections closed before a protocol had them.",
                                 {{"reason", why}});
        }
        counter unrecognised, timed_out, flooded, left, refused, plain, handshake, shortages;
        gauge waiting;
    };

    using waiting_list = std::list<newcomer>;  // oldest first, which is also the order of the deadlines

    impl(plugin_host& h, metrics& m) : host(h), registry(m), meter(m) {}

    void choose(const std::vector<std::shared_ptr<instance>>& protocols);
    std::optional<candidate> candidate_of(const std::shared_ptr<instance>& plugin);
    void sort_candidates();
    void run();
    int timeout_ms() const;
    void accept_some(std::size_t index);
    void shortage(int error);
    void resume_accepting();
    void admit(int fd, const listening_socket& from, const sockaddr_storage& peer);
    void look(waiting_list::iterator at, counter* last);
    void hand_over(waiting_list::iterator at, candidate& winner);
    void drop(waiting_list::iterator at, counter& why);
    void forget(waiting_list::iterator at);
    void expire();
    bool turned_to_tls(waiting_list::iterator at, std::string_view first);
    void take_decrypted();
    void watch(newcomer n);
    void tell_protocols();
    void exchange_waiting();
    void put_in(const exchange& what);

    plugin_host& host;
    metrics& registry;
    meters meter;
    listener_options options;
    std::vector<candidate> candidates;
    std::vector<listening_socket> sockets;
    int epoll = -1;
    int wake = -1;
    waiting_list waiting;
    std::unordered_map<std::uint64_t, waiting_list::iterator> by_session;
    std::vector<char> peeked;
    time_point paused_until{};
    bool paused = false;
    std::atomic<bool> stopping{false};
    std::thread thread;

    std::mutex mutex;  // the next group
    std::condition_variable exchanged;
    std::vector<std::shared_ptr<exchange>> exchanges;
    bool listening = false;

    listener_guards guards;
    std::atomic<bool> tls_required{false};
    /// Shared with handshakes that may end after the listener.
    struct mailbox {
        std::mutex mutex;
        std::vector<decrypted> ready;
        int wake = -1;  // of the listener; -1 = it has stopped
    };
    const std::shared_ptr<mailbox> shaken = std::make_shared<mailbox>();
};

}  // namespace sigrun

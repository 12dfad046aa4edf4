// The component `websocket`: its threads, its serving and its dialling face.
#pragma once

#include "core.hpp"
#include "departure.hpp"
#include "loop.hpp"

#include <sigrun/cpp/options.hpp>
#include <sigrun/protocol.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace sigrun::websocket {

class websocket_plugin {
public:
    websocket_plugin(sdk::host host, const sdk::config_reader& config);
    ~websocket_plugin();

    const void* interface(std::string_view id) noexcept;
    void start();
    /// Ends what is idle, lets open calls and sessions finish until the deadline.
    void drain(std::uint64_t deadline_ns, sdk::op done);
    /// As sigrun_serve.retire; E_EXISTS the second time.
    sigrun_result retire(std::uint64_t deadline_ns, sigrun_op done);
    /// Everything but the number of threads changes at once; open connections keep their limit of a message.
    bool reconfigure(const sdk::config_reader& config);
    void commit();
    void abort() noexcept { next_.reset(); }

    sigrun_result accept(const sigrun_accept& accepted, sigrun_op lifetime);
    sigrun_result open(const sigrun_endpoint& where, const sigrun_sink& frames, sigrun_op op, sigrun_link** link);
    sigrun_result detect(const sigrun_endpoint& where, std::uint64_t deadline_ns, sigrun_op op);

private:
    loop& next_loop() noexcept { return *loops_[turn_++ % loops_.size()]; }
    /// One of max_connections, or null.
    std::shared_ptr<void> take_seat();
    void turn_away(int fd) noexcept;
    void depart(departure::manner how, std::uint64_t deadline_ns, sdk::op done);
    void check_dial(const sigrun_endpoint& where) const;

    core_ptr shared_;
    std::vector<std::unique_ptr<loop>> loops_;
    std::optional<sdk::dial_group> dials_;  // nothing: this host opens no connections for plugins
    std::optional<settings> next_;          // between reconfigure and commit
    std::atomic<std::size_t> turn_{0};
    std::atomic<bool> running_{false};
};

}  // namespace sigrun::websocket

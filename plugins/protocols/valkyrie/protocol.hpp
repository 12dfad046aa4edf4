// The component: I/O threads, accepting, dialling, draining.
#pragma once

#include "core.hpp"
#include "departure.hpp"
#include "loop.hpp"

#include <sigrun/cpp/dial_group.hpp>
#include <sigrun/cpp/options.hpp>
#include <sigrun/cpp/plugin.hpp>
#include <sigrun/protocol.h>

#include <memory>
#include <vector>

namespace sigrun::valkyrie {

struct dial_request;

class protocol {
public:
    protocol(sdk::host host, const sdk::config_reader& config);
    ~protocol();

    const void* interface(std::string_view id) noexcept;
    void start();
    /// Ends what is idle, lets open calls and sessions finish until the deadline.
    void drain(std::uint64_t deadline_ns, sdk::op done);
    /// As sigrun_serve.retire; E_EXISTS the second time.
    sigrun_result retire(std::uint64_t deadline_ns, sigrun_op done);

    sigrun_result accept(const sigrun_accept& accepted, sigrun_op lifetime);
    sigrun_result open(const sigrun_endpoint& endpoint, const sigrun_sink& frames, sigrun_op op, sigrun_link** link);
    sigrun_result detect(const sigrun_endpoint& endpoint, std::uint64_t deadline_ns, sigrun_op op);

private:
    dial_request request_for(const sigrun_endpoint& where, std::uint64_t deadline);
    loop& next_loop() noexcept;
    /// One of max_connections, or null.
    std::shared_ptr<void> take_seat();
    void turn_away(int fd) noexcept;
    std::uint64_t connect_deadline() const noexcept;
    void depart(departure::manner how, std::uint64_t deadline_ns, sdk::op done);

    core_ptr shared_;
    std::vector<std::unique_ptr<loop>> loops_;
    std::vector<std::shared_ptr<departure>> departures_;  // [ctl] from drain and retire
    std::unique_ptr<sdk::dial_group> dials_;
    const sigrun_svc_metric* metrics_ = nullptr;
    sigrun_metric* turned_away_ = nullptr;
    std::atomic<std::size_t> turn_{0};
    std::atomic<bool> running_{false};
};

}  // namespace sigrun::valkyrie

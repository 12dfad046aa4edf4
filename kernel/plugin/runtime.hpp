// What all plugins of one plugin_host share: the lanes (control, io, work), the ops, the handlers and the
// metrics. Held by every generation that may still call, so a late call of a plugin that did not end its
// threads finds it alive.
#pragma once

#include "kernel/metrics/metrics.hpp"
#include "kernel/metrics/traffic.hpp"
#include "kernel/plugin/broker.hpp"
#include "kernel/plugin/ops.hpp"
#include "kernel/plugin/plugin_host.hpp"
#include "kernel/plugin/work_pool.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <atomic>
#include <memory>
#include <string>
#include <thread>

namespace sigrun {

class network;
class schedule;

class runtime {
public:
    explicit runtime(metrics& numbers);
    ~runtime();
    /// Ends the lanes: what was posted to the work lane still runs, io and control stop after their current
    /// handler.
    void stop();

    op_table ops;
    work_pool work;
    boost::asio::io_context control{1};
    boost::asio::io_context io{1};
    const std::unique_ptr<network> connections;  // what plugins dial
    std::unique_ptr<schedule> timers;
    const std::shared_ptr<broker> exchange = std::make_shared<broker>(control);
    metrics& numbers;
    traffic_board traffic;
    counter ignored_completions;
    std::atomic<call_handler*> calls{nullptr};
    std::atomic<link_adopter*> links{nullptr};

private:
    using guard = boost::asio::executor_work_guard<boost::asio::io_context::executor_type>;
    guard control_guard_;
    guard io_guard_;
    std::thread control_thread_;
    std::thread io_thread_;
};

}  // namespace sigrun

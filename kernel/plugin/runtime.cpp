#include "kernel/plugin/runtime.hpp"

#include "kernel/guard/crash_reporter.hpp"
#include "kernel/log/loggers.hpp"
#include "kernel/net/network.hpp"
#include "kernel/plugin/schedule.hpp"

#include <boost/asio/post.hpp>

namespace sigrun {
namespace {

void run_lane(boost::asio::io_context& lane, const std::string& name) {
    name_thread(name);
    use_alternate_stack();
    for (;;) {
        try {
            lane.run();
            return;
        } catch (const std::exception& e) {
            SIGRUN_LOG(logs::plugin, error, "a handler on ", name, " failed: ", std::string_view(e.what()));
        }
    }
}

}  // namespace

runtime::runtime(metrics& registry)
    : connections(std::make_unique<network>()),
      timers(std::make_unique<schedule>(io)),
      numbers(registry),
      ignored_completions(registry.get_counter("sigrun_plugin_ignored_completions_total",
                                               "Completions of operations that were complete or unknown")),
      control_guard_(control.get_executor()),
      io_guard_(io.get_executor()),
      control_thread_([this] { run_lane(control, "sigrun-ctl"); }),
      io_thread_([this] { run_lane(io, "sigrun-io"); }) {}

runtime::~runtime() { stop(); }

void runtime::stop() {
    connections->stop();
    work.stop();
    // Posted, so that what waits in the lanes now still runs.
    boost::asio::post(control, [this] { control.stop(); });
    boost::asio::post(io, [this] { io.stop(); });
    if (control_thread_.joinable()) control_thread_.join();
    if (io_thread_.joinable()) io_thread_.join();
}

}  // namespace sigrun

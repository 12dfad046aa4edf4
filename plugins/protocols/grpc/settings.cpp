#include "settings.hpp"

namespace sigrun::grpc {

settings read_settings(const sdk::config_reader& config) {
    settings s;
    s.connect_timeout = config.duration("connect_timeout");
    s.preface_timeout = config.duration("preface_timeout");
    s.idle_timeout = config.duration("idle_timeout");
    s.read_timeout = config.duration("read_timeout");
    s.write_timeout = config.duration("write_timeout");
    s.ping_interval = config.duration("ping_interval");
    s.max_connections = static_cast<std::size_t>(config.integer("max_connections"));
    s.max_message = static_cast<std::size_t>(config.integer("max_message"));
    s.max_header = static_cast<std::size_t>(config.integer("max_header"));
    s.max_streams = static_cast<std::uint32_t>(config.integer("max_streams"));
    s.max_output = static_cast<std::size_t>(config.integer("max_output"));
    return s;
}

counters::counters(const sdk::host& host) : table_(host.service(SIGRUN_SVC_METRIC, &sigrun_svc_metric::add)) {
    if (!table_) return;
    auto make = [&](std::string_view name, std::string_view help) {
        return table_->counter(host.abi(), sdk::str(name), sdk::str(help), nullptr, 0);
    };
    calls_ = make("sigrun_grpc_calls_total", "Calls that began, sessions and health checks included.");
    failed_ = make("sigrun_grpc_calls_failed_total", "Calls that ended with a status other than OK.");
    refused_ = make("sigrun_grpc_connections_refused_total", "Connections refused because max_connections are open.");
    abused_ =
        make("sigrun_grpc_connections_broken_total", "Connections ended because the peer broke HTTP/2 or its limits.");
}

}  // namespace sigrun::grpc

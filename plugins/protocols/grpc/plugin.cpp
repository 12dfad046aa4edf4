// Entry point and options.
#include "grpc_plugin.hpp"

#include <sigrun/cpp/plugin.hpp>

namespace {
using sigrun::sdk::option;
constexpr double k_kib = 1024;
constexpr double k_mib = 1024 * k_kib;
constexpr double k_ms = 1e6;
constexpr double k_hour = 3600e9;

constexpr sigrun_opt k_options[] = {
    option("threads", SIGRUN_OPT_INT,
           {.def = "1", .doc = "I/O threads; connections are spread over them", .min = 1, .max = 64}),
    option("connect_timeout", SIGRUN_OPT_DURATION,
           {.def = "3s",
            .doc = "Time to connect to a peer and see its SETTINGS",
            .min = k_ms,
            .max = k_hour,
            .flags = SIGRUN_OPT_HOT}),
    option("preface_timeout", SIGRUN_OPT_DURATION,
           {.def = "5s",
            .doc = "Time an accepted connection has to send its SETTINGS",
            .min = k_ms,
            .max = k_hour,
            .flags = SIGRUN_OPT_HOT}),
    option("idle_timeout", SIGRUN_OPT_DURATION,
           {.def = "5m",
            .doc = "An accepted connection without calls is ended (GOAWAY) after it; 0s = never",
            .max = 24 * k_hour,
            .flags = SIGRUN_OPT_HOT}),
    option("read_timeout", SIGRUN_OPT_DURATION,
           {.def = "30s",
            .doc = "A call whose message stops half-way is ended after it; 0s = never",
            .max = 24 * k_hour,
            .flags = SIGRUN_OPT_HOT}),
    option("write_timeout", SIGRUN_OPT_DURATION,
           {.def = "30s",
            .doc = "A peer whose socket takes nothing is disconnected after it; 0s = never",
            .max = 24 * k_hour,
            .flags = SIGRUN_OPT_HOT}),
    option(
        "ping_interval", SIGRUN_OPT_DURATION,
        {.def = "30s",
         .doc = "A silent peer with open calls gets an HTTP/2 PING after it, and is disconnected after two unanswered "
                "ones; 0s = never",
         .max = 24 * k_hour,
         .flags = SIGRUN_OPT_HOT}),
    option("max_connections", SIGRUN_OPT_INT,
           {.def = "10000",
            .doc = "Accepted connections at a time; more are refused with GOAWAY",
            .min = 1,
            .max = 1e6,
            .flags = SIGRUN_OPT_HOT}),
    option("max_message", SIGRUN_OPT_SIZE,
           {.def = "16MiB",
            .doc = "Largest message in either direction; a connection holds four times this of unfinished ones",
            .min = 128 * k_kib,
            .max = 256 * k_mib,
            .flags = SIGRUN_OPT_HOT}),
    option("max_header", SIGRUN_OPT_SIZE,
           {.def = "16KiB", .doc = "Largest metadata of a call", .min = k_kib, .max = k_mib, .flags = SIGRUN_OPT_HOT}),
    option("max_streams", SIGRUN_OPT_INT,
           {.def = "1024",
            .doc = "Calls that may be open on one connection, for connections from then on",
            .min = 1,
            .max = 100000,
            .flags = SIGRUN_OPT_HOT}),
    option("max_output", SIGRUN_OPT_SIZE,
           {.def = "4MiB",
            .doc = "Bytes of one call that may wait for a slow peer; then the sender is told to wait",
            .min = 64 * k_kib,
            .max = 256 * k_mib,
            .flags = SIGRUN_OPT_HOT}),
};
}  // namespace

SIGRUN_PLUGIN("sigrun.grpc", "1.0.0", "gRPC: the services sigrun.v1, runner sessions, grpc.health.v1",
              SIGRUN_PLUGIN_OWN_THREADS,
              sigrun::sdk::component<sigrun::grpc::grpc_plugin>("grpc", SIGRUN_KIND_PROTOCOL,
                                                                "gRPC, served and dialled", k_options))

// Entry point and options.
#include "websocket_plugin.hpp"

#include <sigrun/cpp/plugin.hpp>

namespace {

using sigrun::sdk::option;

constexpr double k_kib = 1024;
constexpr double k_mib = 1024 * k_kib;
constexpr double k_ms = 1e6;
constexpr double k_hour = 3600e9;

constexpr sigrun_opt k_options[] = {
    option("threads", SIGRUN_OPT_INT,
           {.def = "1", .doc = "I/O threads; a connection stays on one of them", .min = 1, .max = 64}),
    option("connect_timeout", SIGRUN_OPT_DURATION,
           {.def = "10s",
            .doc = "Time to connect and finish the upgrade of a dialled connection",
            .min = k_ms,
            .max = k_hour,
            .flags = SIGRUN_OPT_HOT}),
    option("handshake_timeout", SIGRUN_OPT_DURATION,
           {.def = "10s",
            .doc = "Time an accepted connection has for the head of its request; later ones get 408",
            .min = k_ms,
            .max = k_hour,
            .flags = SIGRUN_OPT_HOT}),
    option("idle_timeout", SIGRUN_OPT_DURATION,
           {.def = "5m",
            .doc = "An accepted connection without call, session and message is closed after it; 0s = never",
            .min = 0,
            .max = 24 * k_hour,
            .flags = SIGRUN_OPT_HOT}),
    option("message_timeout", SIGRUN_OPT_DURATION,
           {.def = "120s",
            .doc = "From the first byte of a message to its last; slower ones get code 4408; 0s = no limit",
            .min = 0,
            .max = 24 * k_hour,
            .flags = SIGRUN_OPT_HOT}),
    option("write_timeout", SIGRUN_OPT_DURATION,
           {.def = "30s",
            .doc = "A peer that takes nothing while something waits for it is disconnected after it; 0s = never",
            .min = 0,
            .max = 24 * k_hour,
            .flags = SIGRUN_OPT_HOT}),
    option("ping_interval", SIGRUN_OPT_DURATION,
           {.def = "25s",
            .doc = "How often a connection in use is pinged: below the 30 s and 60 s after which proxies cut silent "
                   "ones; 0s = "
                   "never",
            .min = 0,
            .max = 24 * k_hour,
            .flags = SIGRUN_OPT_HOT}),
    option("pong_timeout", SIGRUN_OPT_DURATION,
           {.def = "10s",
            .doc = "A peer that neither answers a ping nor sends anything for so long is disconnected; 0s = never",
            .min = 0,
            .max = k_hour,
            .flags = SIGRUN_OPT_HOT}),
    option("max_connections", SIGRUN_OPT_INT,
           {.def = "10000",
            .doc = "Accepted connections at a time; more get 503",
            .min = 1,
            .max = 1e6,
            .flags = SIGRUN_OPT_HOT}),
    option("max_calls", SIGRUN_OPT_INT,
           {.def = "1024",
            .doc = "Calls that may be open on one connection",
            .min = 1,
            .max = 32768,
            .flags = SIGRUN_OPT_HOT}),
    option("max_header", SIGRUN_OPT_SIZE,
           {.def = "16KiB",
            .doc = "Largest head of a request; larger ones get 431",
            .min = k_kib,
            .max = k_mib,
            .flags = SIGRUN_OPT_HOT}),
    option(
        "max_message", SIGRUN_OPT_SIZE,
        {.def = "16MiB",
         .doc =
             "Largest message taken from a peer, joined from its fragments and decompressed; larger ones get code 1009",
         .min = 128 * k_kib,
         .max = 64 * k_mib,
         .flags = SIGRUN_OPT_HOT}),
    option("max_output", SIGRUN_OPT_SIZE,
           {.def = "8MiB",
            .doc = "Bytes that may wait for a slow peer; log output and streamed answers are refused as busy from a "
                   "32nd of it on",
            .min = k_mib,
            .max = 256 * k_mib,
            .flags = SIGRUN_OPT_HOT}),
    option("compression", SIGRUN_OPT_CHOICE,
           {.def = "accept",
            .doc = "permessage-deflate: never, where a peer offers it, or offered when dialling as well",
            .choices = "off,accept,offer",
            .flags = SIGRUN_OPT_HOT}),
    option("allowed_hosts", SIGRUN_OPT_LIST,
           {.doc = "Names besides loopback ones that requests over loopback may have as Host, with or without port",
            .flags = SIGRUN_OPT_HOT}),
};

}  // namespace

SIGRUN_PLUGIN("sigrun.websocket", "0.1.0",
              "WebSocket (RFC 6455): the control API and runner sessions, one connection for all",
              SIGRUN_PLUGIN_OWN_THREADS,
              sigrun::sdk::component<sigrun::websocket::websocket_plugin>("websocket", SIGRUN_KIND_PROTOCOL,
                                                                          "WebSocket, served and dialled", k_options))

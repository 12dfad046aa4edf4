#include "http_plugin.hpp"
#include "version.hpp"

#include <sigrun/cpp/plugin.hpp>

namespace {

using sigrun::sdk::option;

constexpr sigrun_opt k_options[] = {
    option("threads", SIGRUN_OPT_INT,
           {.def = "1", .doc = "I/O threads; a connection, session or link stays on one of them", .min = 1, .max = 64}),
    option("max_header", SIGRUN_OPT_SIZE,
           {.def = "64KiB",
            .doc = "Largest head of a request; larger ones get 431",
            .min = 1024,
            .max = 1048576,
            .flags = SIGRUN_OPT_HOT}),
    option("max_body", SIGRUN_OPT_SIZE,
           {.def = "16MiB",
            .doc = "Largest body of a request; larger ones get 413",
            .min = 1024,
            .max = 1073741824,
            .flags = SIGRUN_OPT_HOT}),
    option("max_connections", SIGRUN_OPT_INT,
           {.def = "10000",
            .doc = "Connections, and sessions, at once",
            .min = 1,
            .max = 1000000,
            .flags = SIGRUN_OPT_HOT}),
    option("header_timeout", SIGRUN_OPT_DURATION,
           {.def = "10s",
            .doc = "From the first byte of a request to the end of its head",
            .min = 1e6,
            .max = 3600e9,
            .flags = SIGRUN_OPT_HOT}),
    option("body_timeout", SIGRUN_OPT_DURATION,
           {.def = "120s",
            .doc = "From the end of the head to the end of the body",
            .min = 1e6,
            .max = 3600e9,
            .flags = SIGRUN_OPT_HOT}),
    option("idle_timeout", SIGRUN_OPT_DURATION,
           {.def = "75s",
            .doc = "How long a connection may wait for its next request",
            .min = 1e6,
            .max = 86400e9,
            .flags = SIGRUN_OPT_HOT}),
    option("write_timeout", SIGRUN_OPT_DURATION,
           {.def = "30s",
            .doc = "How long a peer may take nothing of an answer",
            .min = 1e6,
            .max = 3600e9,
            .flags = SIGRUN_OPT_HOT}),
    option("session_timeout", SIGRUN_OPT_DURATION,
           {.def = "30s",
            .doc = "A session without poll and post for so long is lost",
            .min = 1e8,
            .max = 3600e9,
            .flags = SIGRUN_OPT_HOT}),
    option("allowed_hosts", SIGRUN_OPT_LIST,
           {.doc = "Names besides loopback ones that requests over loopback may have as Host, with or without port",
            .flags = SIGRUN_OPT_HOT}),
    option("connect_timeout", SIGRUN_OPT_DURATION,
           {.def = "10s",
            .doc = "How long opening a connection to a peer may take",
            .min = 1e6,
            .max = 3600e9,
            .flags = SIGRUN_OPT_HOT}),
};

}  // namespace

SIGRUN_PLUGIN("sigrun.http", "0.1.0", "HTTP/1.1: the control API, runner sessions, legacy HTTP runners",
              SIGRUN_PLUGIN_OWN_THREADS,
              sigrun::sdk::component<sigrun::http::http_plugin>("http", SIGRUN_KIND_PROTOCOL,
                                                                "HTTP/1.1, served and dialled", k_options))

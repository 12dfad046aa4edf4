// The options of what the daemon tells of itself.
#pragma once

#include <sigrun/cpp/options.hpp>

#include <array>

namespace sigrun {

inline constexpr std::array k_metrics_options{
    sdk::option(
        "runner_series", SIGRUN_OPT_INT,
        {.def = "100",
         .doc = "Numbers of single runners are in /metrics while there are at most so many runners; beyond it, only "
                "sums are. 0: never. Each runner is about eight series more for whoever scrapes.",
         .min = 0,
         .max = 10'000,
         .flags = SIGRUN_OPT_HOT}),
    sdk::option(
        "demand_classes", SIGRUN_OPT_INT,
        {.def = "50",
         .doc = "Requirements whose demand for runners has series of its own in /metrics, those with most waiting "
                "jobs; all others are summed. Each is six series.",
         .min = 0,
         .max = 1000,
         .flags = SIGRUN_OPT_HOT}),
    sdk::option(
        "history_step", SIGRUN_OPT_DURATION,
        {.def = "10s",
         .doc = "How far apart the 360 newest points of `stats.history` are; points of a minute are kept of the last "
                "24 hours beside them.",
         .min = 1e9,
         .max = 60e9}),
};

inline constexpr std::array k_audit_options{
    sdk::option(
        "file", SIGRUN_OPT_STRING,
        {.def = "",
         .doc =
             "Who changed what, one line of JSON for each call that is more than a look, and for each that was refused "
             "because of its caller. Empty: nowhere."}),
    sdk::option("max_size", SIGRUN_OPT_SIZE,
                {.def = "64MiB",
                 .doc = "A file that has grown so far becomes FILE.1, FILE.1 becomes FILE.2, and so on.",
                 .min = 4096,
                 .max = 1e12}),
    sdk::option("keep", SIGRUN_OPT_INT,
                {.def = "4", .doc = "How many such older files there are at most.", .min = 0, .max = 1000}),
};

inline constexpr std::array k_trace_options{
    sdk::option(
        "endpoint", SIGRUN_OPT_STRING,
        {.def = "",
         .doc =
             "Where spans of jobs go, by OTLP/HTTP as JSON, such as http://127.0.0.1:4318/v1/traces. Empty: nowhere; a "
             "caller's traceparent reaches the environment of its job all the same."}),
    sdk::option("share", SIGRUN_OPT_FLOAT,
                {.def = "1",
                 .doc = "Of the jobs whose caller sends no traceparent, how many begin a trace of their own.",
                 .min = 0,
                 .max = 1}),
};

}  // namespace sigrun

// The option table of [balancer].
#pragma once

#include <sigrun/cpp/options.hpp>

#include <array>

namespace sigrun {

inline constexpr std::array k_balancer_options{
    sdk::option("default_algorithm", SIGRUN_OPT_STRING,
                {.def = "adaptive",
                 .doc = "Balancer of jobs that name none. Where this is not set and `adaptive` is not loaded: "
                        "round_robin.",
                 .flags = SIGRUN_OPT_HOT}),
    sdk::option(
        "enable_adaptive_balancing", SIGRUN_OPT_BOOL,
        {.def = "yes",
         .doc =
             "The balancer `adaptive` may switch to another one when jobs are done sooner with it. no: it tries none "
             "and stays with what it chose.",
         .flags = SIGRUN_OPT_HOT}),
    sdk::option("enable_geographic_balancing", SIGRUN_OPT_BOOL,
                {.def = "no",
                 .doc = "The balancer `geographic` is among those that `adaptive` may try and switch to.",
                 .flags = SIGRUN_OPT_HOT}),
    sdk::option(
        "priority_rule", SIGRUN_OPT_LIST,
        {.def = "",
         .doc = "PRIORITY=BALANCER, ...: who picks for jobs of that priority when neither they nor their queue name "
                "one, such as critical=performance, high=least_connections, normal=round_robin. Others: "
                "default_algorithm.",
         .flags = SIGRUN_OPT_HOT}),
    sdk::option(
        "enable_sticky_sessions", SIGRUN_OPT_BOOL,
        {.def = "no",
         .doc = "Jobs without `affinity` have that of their tenant, or else of who submits them: a balancer that "
                "keeps affinity gives them the same runner.",
         .flags = SIGRUN_OPT_HOT}),
    sdk::option(
        "trace_every", SIGRUN_OPT_INT,
        {.def = "1024",
         .doc = "Of one pick in so many it is kept who else could have been chosen, with scores and estimates; "
                "`sigrun job explain` shows it. The last 1024 are kept. 0: only of jobs that ask with `explain`.",
         .max = 1000000000,
         .flags = SIGRUN_OPT_HOT}),
    sdk::option("protocol_weights", SIGRUN_OPT_LIST,
                {.def = "",
                 .doc = "PROTOCOL=FACTOR, ...: what a protocol's score is multiplied by until it has been measured 10 "
                        "times. Without: "
                        "valkyrie=1.2, grpc=1.1, http=1.0, websocket=0.9.",
                 .flags = SIGRUN_OPT_HOT}),
    sdk::option(
        "preferred_protocol_bias", SIGRUN_OPT_FLOAT,
        {.def = "0.2", .doc = "What the score of a preferred protocol gains.", .max = 100, .flags = SIGRUN_OPT_HOT}),
    sdk::option(
        "max_runner_load", SIGRUN_OPT_FLOAT,
        {.def = "0.8",
         .doc = "A runner with five places or more that runs more than this share of them gets another job only when "
                "every other one that matches does, too.",
         .min = 0.01,
         .max = 1,
         .flags = SIGRUN_OPT_HOT}),
    sdk::option("reserve_for_urgent", SIGRUN_OPT_BOOL,
                {.def = "no",
                 .doc = "What is beyond max_runner_load is for jobs of priority high and critical alone; others wait.",
                 .flags = SIGRUN_OPT_HOT}),
    sdk::option(
        "slow_start", SIGRUN_OPT_DURATION,
        {.def = "30s",
         .doc = "In this time a runner that came, or came back, goes from a tenth of its share to all of it, where "
                "shares follow cost. 0 is at once.",
         .max = 3600e9,
         .flags = SIGRUN_OPT_HOT}),
    sdk::option(
        "eject_outliers", SIGRUN_OPT_BOOL,
        {.def = "yes",
         .doc = "A runner that loses max_failures_in_a_row jobs, or fails more of them than others do beyond chance, "
                "gets none for a while, then one on trial.",
         .flags = SIGRUN_OPT_HOT}),
    sdk::option("max_failures_in_a_row", SIGRUN_OPT_INT,
                {.def = "5",
                 .doc = "Failures of the infrastructure, not of jobs.",
                 .min = 1,
                 .max = 255,
                 .flags = SIGRUN_OPT_HOT}),
    sdk::option("ejection_time", SIGRUN_OPT_DURATION,
                {.def = "30s",
                 .doc = "How long, the first time; n times as long the n-th time, up to ten.",
                 .min = 1e9,
                 .max = 3600e9,
                 .flags = SIGRUN_OPT_HOT}),
    sdk::option("max_ejected", SIGRUN_OPT_FLOAT,
                {.def = "0.1",
                 .doc = "At most this share of all runners is out at a time, but always one of two.",
                 .max = 1,
                 .flags = SIGRUN_OPT_HOT}),
    sdk::option(
        "panic_threshold", SIGRUN_OPT_FLOAT,
        {.def = "0.5",
         .doc = "When fewer of the runners that match a job can take one, ejected ones are used, too. 0 is never.",
         .max = 1,
         .flags = SIGRUN_OPT_HOT}),
    sdk::option("performance_monitoring_interval", SIGRUN_OPT_DURATION,
                {.def = "10s",
                 .doc = "How often idle links are measured, and how long a window of evidence is.",
                 .min = 1e9,
                 .max = 3600e9,
                 .flags = SIGRUN_OPT_HOT}),
    sdk::option("load_window", SIGRUN_OPT_DURATION,
                {.def = "60s",
                 .doc = "Of how long a time the best throughput counts.",
                 .min = 1e9,
                 .max = 3600e9,
                 .flags = SIGRUN_OPT_HOT}),
};

}  // namespace sigrun

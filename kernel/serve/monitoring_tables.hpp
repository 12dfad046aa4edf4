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
        "history_step", SIGRUN_OPT_DURATION,
        {.def = "10s",
         .doc = "How far apart the 360 newest points of `stats.history` are; points of a minute are kept of the last "
                "24 hours beside them.",
         .min = 1e9,
         .max = 60e9}),
};

}  // namespace sigrun

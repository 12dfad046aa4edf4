// The options of what is told to those who start and stop runners.
#pragma once

#include <sigrun/cpp/options.hpp>

#include <array>

namespace sigrun {

inline constexpr std::array k_autoscaling_options{
    sdk::option(
        "hook", SIGRUN_OPT_STRING,
        {.def = "",
         .doc = "A program that starts and stops runners: its absolute path, and arguments, with quotes as in a "
                "shell; no shell runs. It gets the answer of `demand.get` on its standard input, and "
                "SIGRUN_SHORTFALL and the like. What it leaves running must be in a session of its own "
                "(setsid). Empty: none.",
         .flags = SIGRUN_OPT_HOT}),
    sdk::option(
        "interval", SIGRUN_OPT_DURATION,
        {.def = "15s",
         .doc = "How often the demand is looked at. After a run that failed it takes twice as long each time, up "
                "to five minutes.",
         .min = 0.1e9,
         .max = 3600e9,
         .flags = SIGRUN_OPT_HOT}),
    sdk::option("on", SIGRUN_OPT_CHOICE,
                {.def = "change",
                 .doc = "change: the hook runs when places are missing, or runners idle, that were not when it last "
                        "succeeded, or the other way round. always: each time.",
                 .choices = "change,always",
                 .flags = SIGRUN_OPT_HOT}),
    sdk::option("hold", SIGRUN_OPT_DURATION,
                {.def = "5s",
                 .doc = "How long a job must have waited before its place counts as missing.",
                 .max = 86400e9,
                 .flags = SIGRUN_OPT_HOT}),
    sdk::option("idle", SIGRUN_OPT_DURATION,
                {.def = "5m",
                 .doc = "How long a runner must have had no job to be told as idle.",
                 .max = 30 * 86400e9,
                 .flags = SIGRUN_OPT_HOT}),
    sdk::option("timeout", SIGRUN_OPT_DURATION,
                {.def = "30s",
                 .doc = "A run that takes longer is killed, with its process group.",
                 .min = 0.1e9,
                 .max = 3600e9,
                 .flags = SIGRUN_OPT_HOT}),
};

}  // namespace sigrun

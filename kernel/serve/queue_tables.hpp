// The option tables of [queue NAME] and [tenant NAME].
#pragma once

#include <sigrun/cpp/options.hpp>

#include <array>

namespace sigrun {

inline constexpr std::array k_queue_options{
    sdk::option("max_waiting", SIGRUN_OPT_INT,
                {.def = "0",
                 .doc = "Jobs of this queue that may wait; beyond it submit answers busy. 0: as many as [jobs] allows.",
                 .max = 10000000,
                 .flags = SIGRUN_OPT_HOT}),
    sdk::option("balancer", SIGRUN_OPT_STRING,
                {.def = "", .doc = "Who picks for its jobs that name no balancer.", .flags = SIGRUN_OPT_HOT}),
    sdk::option("priority", SIGRUN_OPT_CHOICE,
                {.def = "normal",
                 .doc = "Of its jobs that name none.",
                 .choices = "critical,high,normal,low,background",
                 .flags = SIGRUN_OPT_HOT}),
};
inline constexpr std::array k_tenant_options{
    sdk::option(
        "weight", SIGRUN_OPT_INT,
        {.def = "0",
         .doc = "Its share beside other tenants whose jobs wait for the same runners with the same priority: so "
                "many jobs in a turn. 0: [jobs] tenant_weight.",
         .max = 1000,
         .flags = SIGRUN_OPT_HOT}),
    sdk::option("max_waiting", SIGRUN_OPT_INT,
                {.def = "0",
                 .doc = "Jobs of this tenant that may wait; beyond it submit answers busy. 0: [jobs] "
                        "tenant_max_waiting.",
                 .max = 10000000,
                 .flags = SIGRUN_OPT_HOT}),
};

}  // namespace sigrun

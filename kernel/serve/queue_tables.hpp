// The option tables of [queue NAME], [tenant NAME] and [group NAME].
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
    sdk::option("submit_rate", SIGRUN_OPT_FLOAT,
                {.def = "0",
                 .doc = "Jobs that this tenant may submit per second; beyond it submit answers busy, and when to try "
                        "again. 0: [jobs] tenant_submit_rate.",
                 .max = 1000000,
                 .flags = SIGRUN_OPT_HOT}),
    sdk::option("submit_burst", SIGRUN_OPT_INT,
                {.def = "10",
                 .doc = "So many may be submitted at once after a time in which none was; beside submit_rate.",
                 .min = 1,
                 .max = 1000000,
                 .flags = SIGRUN_OPT_HOT}),
};
inline constexpr std::array k_group_options{
    sdk::option(
        "max", SIGRUN_OPT_INT,
        {.def = "0",
         .doc = "Jobs of the group that run at once, of each tenant. 0: as many as the jobs say, and 1 where they "
                "say nothing. A job may ask for fewer, not for more.",
         .max = 100000,
         .flags = SIGRUN_OPT_HOT}),
    sdk::option("rate", SIGRUN_OPT_FLOAT,
                {.def = "0",
                 .doc = "Jobs of the group that are let in per second; the others wait. 0: any number.",
                 .max = 1000000,
                 .flags = SIGRUN_OPT_HOT}),
    sdk::option("burst", SIGRUN_OPT_INT,
                {.def = "1",
                 .doc = "So many may be let in at once after a time in which none was.",
                 .min = 1,
                 .max = 100000,
                 .flags = SIGRUN_OPT_HOT}),
};

}  // namespace sigrun

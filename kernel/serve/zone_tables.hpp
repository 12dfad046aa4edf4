// The option table of [zone NAME].
#pragma once

#include <sigrun/cpp/options.hpp>

#include <array>

namespace sigrun {

inline constexpr std::array k_zone_options{
    sdk::option(
        "coordinates", SIGRUN_OPT_LIST,
        {.def = "",
         .doc = "Latitude and longitude in degrees, such as 50.11, 8.68: how far it is from other zones until, and "
                "where, that is not measured. Empty: nobody knows.",
         .flags = SIGRUN_OPT_HOT}),
    sdk::option("egress_cost", SIGRUN_OPT_DURATION,
                {.def = "0s",
                 .doc = "What it costs to run a job from another zone there, as the time one would wait to avoid it.",
                 .max = 3600e9,
                 .flags = SIGRUN_OPT_HOT}),
};

}  // namespace sigrun

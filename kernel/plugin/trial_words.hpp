// What the two sides of a trial say to each other.
#pragma once

#include <string_view>

namespace sigrun {

inline constexpr std::string_view k_trial_flag = "--plugin-host";
inline constexpr std::string_view k_trial_good =
    "good\n";  // then the kinds of components, one a line; or a reason instead

}  // namespace sigrun

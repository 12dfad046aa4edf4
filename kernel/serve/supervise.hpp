// A parent that starts the program again when it crashes, for machines without a service manager.
#pragma once

#include "kernel/base/clock.hpp"

#include <string>

namespace sigrun {

struct supervise_options {
    std::string program;  // for its lines
    nanoseconds first_delay = std::chrono::milliseconds(100), longest_delay = std::chrono::seconds(30);
    nanoseconds good_run = std::chrono::minutes(1);  // after so long the delay begins anew
};

/// Exit code of a child that wants to be started again at once (EX_TEMPFAIL).
inline constexpr int k_start_again = 75;

/// Forks; call it before any thread exists. Returns in the child, which goes on as the program, with -1. The parent stays
/// here and returns what it has to exit with: the child's own code when it ended by itself, 128 + signal when it was told to
/// stop and died of it. A child that died of another signal is replaced after a delay that doubles each time.
/// One that ends with k_start_again is replaced at once.
/// SIGTERM, SIGINT, SIGHUP, SIGQUIT and SIGUSR2 to the parent go to the child; a parent that dies takes the child with it (SIGTERM).
int supervise(const supervise_options& options);

}  // namespace sigrun

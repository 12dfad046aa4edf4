// The order of the measurements and how long each may take; together within three seconds.
#pragma once

#include "processors.hpp"

#include <sigrun/cpp/probe.hpp>

#include <chrono>
#include <string>

namespace sigrun::benchmark {

using std::chrono::milliseconds;

/// What each part may take; tests make them short.
struct limits {
    milliseconds gauge{100}, integer{200}, floating{200}, aes{100}, sha{100}, all{300}, bandwidth{700}, latency{200},
        disk{400}, sync{200}, spawn{60};
    constexpr milliseconds total() const {
        return gauge + integer + floating + aes + sha + all + bandwidth + latency + disk + sync + spawn;
    }
};
constexpr milliseconds k_budget{3000};
static_assert(limits().total() <= k_budget);

/// Measures everything and writes perf.*; stops when nobody wants it any more. `work_path`: the folder whose disk is measured.
void measure(const sdk::sysroot& root, const std::string& work_path, const limits& within, sdk::probe_run& run);

}  // namespace sigrun::benchmark

// How long one measurement may go on, and whether anybody still wants its result.
#pragma once

#include "statistics.hpp"

#include <time.h>

#include <chrono>
#include <functional>
#include <utility>
#include <vector>

namespace sigrun::benchmark {

using std::chrono::milliseconds;
using steady = std::chrono::steady_clock;

/// Asked by one thread, often: what lies between two questions is how late an end is noticed.
class time_box {
public:
    time_box(milliseconds limit, std::function<bool()> wanted)
        : limit_(limit), end_(steady::now() + limit), wanted_(std::move(wanted)) {}

    bool open() {
        if (open_ && steady::now() >= end_) open_ = false;
        if (open_ && !wanted_()) open_ = false;
        return open_;
    }
    milliseconds limit() const noexcept { return limit_; }
    /// A part of what is left for one step of the measurement.
    time_box part(milliseconds limit) {
        const auto left = std::chrono::duration_cast<milliseconds>(end_ - steady::now());
        return time_box(std::clamp(left, milliseconds(0), limit), wanted_);
    }

private:
    milliseconds limit_;
    steady::time_point end_;
    std::function<bool()> wanted_;
    bool open_ = true;
};

inline double seconds_since(steady::time_point begin) {
    return std::chrono::duration<double>(steady::now() - begin).count();
}

/// Two clocks. That of the calling thread stands still while another one has the processor, and so tells how fast that is even
/// on a machine with other work.
inline double passed_seconds() { return std::chrono::duration<double>(steady::now().time_since_epoch()).count(); }
inline double processor_seconds() {
    timespec t{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

constexpr std::size_t k_rounds = 5;

/// How often per second of `clock` `work` was done in each of five rounds of `length`; fewer if the box closes. `work` is short
/// against it; if it says false, it cannot go on.
template <class Work>
std::vector<double> rates(time_box& box, milliseconds length, double (*clock)(), Work&& work) {
    std::vector<double> out;
    while (out.size() < k_rounds) {
        const auto begin = steady::now();
        const double from = clock();
        double done = 0;
        do {
            if (!box.open() || !work()) return out;
            ++done;
        } while (steady::now() - begin < length);
        if (const double took = clock() - from; took > 0) out.push_back(done / took);
    }
    return out;
}

}  // namespace sigrun::benchmark

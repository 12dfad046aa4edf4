// How much of the jobs from one source may go past their nearest zone while that zone is full: slowly more while waiting
// there costs clearly more, slowly less when it no longer does, so that zones do not throw the load at each other. One
// thread's.
#pragma once

#include <cstdint>

namespace sigrun::geographic {

struct spill_limits {
    double margin = 0.1;       // waiting must cost so much more before the first job goes elsewhere
    double per_second = 0.05;  // of all jobs, that change sides in a second
};

class spill_control {
public:
    /// Before each decision.
    void move_on(std::uint64_t now_ns, const spill_limits& limits) noexcept;
    /// A job of the source was placed, wherever. One that is told to wait is asked about again, and counts once.
    void count() noexcept;
    /// Its zone is full: may this one go elsewhere? Both in microseconds.
    bool may_go(double waiting, double elsewhere, const spill_limits& limits) noexcept;

private:
    std::uint64_t last_ns_ = 0, wanted_ns_ = 0, now_ns_ = 0;
    bool wanted_ = false;  // waiting costs more, by the margin when it began
    double share_ = 0;     // of the jobs, that may go
    double allowance_ = 0;
};

}  // namespace sigrun::geographic

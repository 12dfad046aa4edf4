// What the processor is given to do. The amount per call is the same on every machine: it belongs to the version of the suite,
// and so do the compiler flags in CMakeLists.txt.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace sigrun::benchmark {

/// Random numbers, a hash table that they go into, sorting, and a checksum: branches, loads from the first two caches,
/// multiplications. Other numbers at each call, so that no branch predictor learns them.
class integer_work {
public:
    integer_work();
    void operator()();
    std::uint64_t checksum() const noexcept { return checksum_; }

private:
    std::uint64_t state_ = 0x9E3779B97F4A7C15;
    std::uint64_t checksum_ = 0;
    std::vector<std::uint32_t> numbers_, table_;
};

/// Eight bodies that attract each other: additions, multiplications, roots and divisions that wait for each other.
class float_work {
public:
    float_work();
    void operator()();
    double energy() const noexcept;

private:
    struct body {
        double x, y, z, vx, vy, vz, mass;
    };
    std::array<body, 8> bodies_{};
};

}  // namespace sigrun::benchmark

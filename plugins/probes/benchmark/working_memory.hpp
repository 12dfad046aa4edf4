// The memory that bandwidth and latency are measured in: three arrays, large against the caches, touched once and used for both.
#pragma once

#include "processors.hpp"
#include "team.hpp"

namespace sigrun::benchmark {

/// How large the arrays are, and whether that is four times the cache (the rule of STREAM: else caches are measured, too).
struct array_plan {
    std::size_t bytes = 0;  // of one of the three; 0: there is not enough memory for any
    std::uint64_t wanted = 0;
    bool cache_known = false;
};
array_plan plan_arrays(const std::optional<cache_size>& cache, const memory_size& memory,
                       std::uint64_t address_space_left);

/// Three arrays of doubles, in pieces: each member of a team has its own piece of each, next to each other.
class working_memory {
public:
    explicit working_memory(std::size_t bytes_of_one, std::size_t pieces);
    ~working_memory();
    working_memory(const working_memory&) = delete;
    working_memory& operator=(const working_memory&) = delete;

    explicit operator bool() const noexcept { return base_ != nullptr; }
    std::size_t pieces() const noexcept { return pieces_; }
    std::size_t length() const noexcept { return length_; }  // of one piece of one array, in doubles
    double* piece(std::size_t of_member, std::size_t array) const noexcept {
        return base_ + (of_member * 3 + array) * length_;
    }
    double* begin() const noexcept { return base_; }
    std::size_t bytes() const noexcept { return 3 * pieces_ * length_ * sizeof(double); }
    /// What all pieces of one array have together, as far as they are used.
    std::size_t bytes_of_one() const noexcept { return pieces_ * length_ * sizeof(double); }

private:
    std::size_t pieces_, length_;
    double* base_ = nullptr;
    std::size_t mapped_ = 0;
};

struct bandwidth_result {
    std::vector<double> copy, triad;  // bytes per second, per round
    bool touched = false;             // false: the time was over before the memory was there
};
/// Bytes as STREAM counts them: 16 for each element copied, 24 for each of a triad.
bandwidth_result measure_bandwidth(time_box& box, team& all, const working_memory& memory);

/// Nanoseconds per load, per round, each load waiting for the one before. `bytes`: how much of the memory is run through.
std::vector<double> measure_latency(time_box& box, team& all, const working_memory& memory, std::size_t bytes);
/// The part of the memory that is large enough for that: the next power of two.
std::size_t latency_bytes(const std::optional<cache_size>& cache, const working_memory& memory);

}  // namespace sigrun::benchmark

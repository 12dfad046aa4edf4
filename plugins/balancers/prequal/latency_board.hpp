// How long recent jobs took on each runner, each with the number of jobs that ran there when it arrived. One per instance, all
// threads write and read it at once: results arrive on other threads than the picks they belong to. Lock-free; who races
// for a word loses an observation, nothing else. [hot]
//
// A slot has its record by its number modulo k_records. In larger fleets two slots may share one, which then belongs to the
// one that was used last.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

namespace sigrun::prequal {

/// 256 * log2 of microseconds.
using log_latency = std::uint16_t;
/// Worse than any time: the runner failed.
constexpr log_latency k_failed = 0xffff;

class latency_board {
public:
    latency_board();

    /// A job is sent to a runner that has `in_flight` jobs already.
    void arrived(std::uint32_t slot, std::uint32_t in_flight) noexcept;
    /// The oldest of the jobs that are there has ended. A time of 0 says nothing about the runner.
    void ended(std::uint32_t slot, log_latency took, std::uint64_t now_ns) noexcept;
    /// What a job takes that arrives at `in_flight` others: the median of the results most like it. None: no result of the
    /// last k_memory_ns.
    std::optional<log_latency> expected(std::uint32_t slot, std::uint32_t in_flight,
                                        std::uint64_t now_ns) const noexcept;

    static constexpr std::size_t k_records = 16'384;
    static constexpr std::uint64_t k_memory_ns = 10'000'000'000;

private:
    static constexpr std::size_t k_results = 10;
    struct alignas(64) record {
        /// The slot | how many of the arrivals are kept | in-flight numbers of the last five, the latest lowest.
        std::atomic<std::uint64_t> arrivals{0};
        /// now_ns of the latest result, in steps of 2^20.
        std::atomic<std::uint32_t> time{0};
        std::atomic<std::uint32_t> next{0};
        /// Each 1 << 24 | in-flight number << 16 | log_latency; 0 = none.
        std::array<std::atomic<std::uint32_t>, k_results> results{};
    };
    static_assert(sizeof(record) == 64);

    std::vector<record> records_;
};

}  // namespace sigrun::prequal

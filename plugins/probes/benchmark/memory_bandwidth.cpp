#include "working_memory.hpp"

#include <cstring>

namespace sigrun::benchmark {
namespace {

constexpr std::size_t k_block = 64 * 1024;  // doubles between two looks at the stop sign

template <class Work>
bool in_blocks(std::size_t length, const std::atomic<bool>& stop, Work&& work) {
    for (std::size_t at = 0; at < length; at += k_block) {
        if (stop.load(std::memory_order_relaxed)) return false;
        work(at, std::min(k_block, length - at));
    }
    return true;
}

}  // namespace

bandwidth_result measure_bandwidth(time_box& box, team& all, const working_memory& memory) {
    bandwidth_result result;
    std::atomic<std::size_t> whole{0};  // members that were not stopped
    const auto length = memory.length();

    // By the thread that uses it: on a machine of several nodes it then lies where that thread is.
    all.run(box, [&](std::size_t me, const std::atomic<bool>& stop) {
        const bool done = in_blocks(length, stop, [&](std::size_t at, std::size_t n) {
            for (std::size_t array = 0; array < 3; ++array)
                for (std::size_t i = at; i < at + n; ++i) memory.piece(me, array)[i] = static_cast<double>(i & 1023);
        });
        if (done) ++whole;
    });
    result.touched = whole == all.size();
    if (!result.touched) return result;

    const auto timed = [&](double bytes_per_element, std::vector<double>& out, const team::task& what) {
        whole = 0;
        const auto begin = steady::now();
        all.run(box, what);
        const double seconds = seconds_since(begin);
        const auto elements = static_cast<double>(length * all.size());
        if (whole == all.size() && seconds > 0) out.push_back(bytes_per_element * elements / seconds);
    };
    const team::task copy = [&](std::size_t me, const std::atomic<bool>& stop) {
        const bool done = in_blocks(length, stop, [&](std::size_t at, std::size_t n) {
            std::memcpy(memory.piece(me, 0) + at, memory.piece(me, 1) + at, n * sizeof(double));
        });
        if (done) ++whole;
    };
    const team::task triad = [&](std::size_t me, const std::atomic<bool>& stop) {
        const bool done = in_blocks(length, stop, [&](std::size_t at, std::size_t n) {
            double* a = memory.piece(me, 0) + at;
            const double *b = memory.piece(me, 1) + at, *c = memory.piece(me, 2) + at;
            for (std::size_t i = 0; i < n; ++i) a[i] = b[i] + 3.0 * c[i];
        });
        if (done) ++whole;
    };
    // In turns, so that a box that closes early leaves some of each.
    for (std::size_t round = 0; round < k_rounds && box.open(); ++round) {
        timed(16, result.copy, copy);
        timed(24, result.triad, triad);
    }
    return result;
}

}  // namespace sigrun::benchmark

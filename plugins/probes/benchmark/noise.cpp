#include "noise.hpp"

#include "work.hpp"

#include <time.h>

namespace sigrun::benchmark {
namespace {

constexpr milliseconds k_warm_up{20};
constexpr std::size_t k_spins = 10;
constexpr double k_spin_seconds = 0.004;

double thread_seconds() {
    timespec t{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

}  // namespace

std::optional<double> measure_noise(time_box& box) {
    integer_work work;
    const double begun = thread_seconds();
    const auto begin = steady::now();
    int done = 0;
    while (steady::now() - begin < k_warm_up) {
        if (!box.open()) return std::nullopt;
        work();
        ++done;
    }
    const double each = (thread_seconds() - begun) / done;
    const int per_spin = std::max(1, static_cast<int>(k_spin_seconds / each));
    std::vector<double> spins;
    double used = 0, passed = 0;
    while (spins.size() < k_spins) {
        const double before = thread_seconds();
        const auto from = steady::now();
        for (int i = 0; i < per_spin; ++i) {
            if (!box.open()) break;
            work();
        }
        if (!box.open()) break;
        spins.push_back(seconds_since(from));
        passed += spins.back();
        used += thread_seconds() - before;
    }
    // So slow that ten spins do not fit: that is noise enough, and few of them tell it.
    if (spins.size() < 2) return std::nullopt;
    return std::clamp(std::max(variation(spins), 1 - used / passed), 0.0, 1.0);
}

std::optional<processor_time> parse_processor_time(std::string_view proc_stat) {
    std::string_view line;
    if (!sdk::next_line(proc_stat, line) || sdk::next_word(line) != "cpu") return std::nullopt;
    processor_time out;
    constexpr std::size_t k_steal = 7, k_fields = 8;  // what follows is part of user and nice
    for (std::size_t i = 0; i < k_fields; ++i) {
        const auto ticks = sdk::parse_u64(sdk::next_word(line));
        if (!ticks) return std::nullopt;
        out.all += *ticks;
        if (i == k_steal) out.stolen = *ticks;
    }
    return out;
}

std::optional<double> stolen_share(const std::optional<processor_time>& before,
                                   const std::optional<processor_time>& after) {
    if (!before || !after || after->all <= before->all || after->stolen < before->stolen) return std::nullopt;
    return static_cast<double>(after->stolen - before->stolen) / static_cast<double>(after->all - before->all);
}

}  // namespace sigrun::benchmark

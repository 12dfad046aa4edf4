#include "noise.hpp"

#include "work.hpp"

namespace sigrun::benchmark {
namespace {

constexpr double k_warm_up_seconds = 0.020;
constexpr std::size_t k_spins = 10;
constexpr double k_spin_seconds = 0.004;

}  // namespace

std::optional<double> measure_noise(time_box& box) {
    integer_work work;
    const double used_before = processor_seconds();
    const auto begin = steady::now();
    // False: the box closed.
    const auto spin = [&](int times) {
        for (; times > 0 && box.open(); --times) work();
        return times == 0;
    };
    int done = 0;
    while (seconds_since(begin) < k_warm_up_seconds && spin(1)) ++done;
    if (done == 0) return std::nullopt;
    const int per_spin =
        std::max(1, static_cast<int>(k_spin_seconds * done / std::max(processor_seconds() - used_before, 1e-6)));
    std::vector<double> spins;
    while (spins.size() < k_spins) {
        const auto from = steady::now();
        if (!spin(per_spin)) break;  // so slow that ten do not fit: what it waited tells that
        spins.push_back(seconds_since(from));
    }
    const double waited = 1 - (processor_seconds() - used_before) / seconds_since(begin);
    return std::clamp(std::max(variation(spins), waited), 0.0, 1.0);
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

#include "kernel/base/time_text.hpp"

#include <cmath>
#include <cstdio>

namespace sigrun {
namespace {

constexpr std::int64_t k_us = 1'000, k_ms = 1'000'000, k_s = 1'000'000'000, k_minute = 60 * k_s, k_hour = 60 * k_minute,
                       k_day = 24 * k_hour;

}  // namespace

std::string three_digits(double value) {
    char text[48];
    const double size = std::fabs(value);
    std::snprintf(text, sizeof text, size >= 100 ? "%.0f" : size >= 10 ? "%.1f" : "%.2f", value);
    std::string out = text;
    if (out.find('.') != std::string::npos) {
        out.erase(out.find_last_not_of('0') + 1);
        if (out.back() == '.') out.pop_back();
    }
    return out;
}

std::string span_of_time(std::int64_t ns) {
    if (ns < 0) return "-" + span_of_time(-ns);
    if (ns < k_us) return std::to_string(ns) + " ns";
    const auto value = static_cast<double>(ns);
    if (ns < k_ms) return three_digits(value / static_cast<double>(k_us)) + " us";
    if (ns < k_s) return three_digits(value / static_cast<double>(k_ms)) + " ms";
    if (ns < k_minute) return three_digits(value / static_cast<double>(k_s)) + " s";
    if (ns < k_hour) return std::to_string(ns / k_minute) + "m " + std::to_string(ns % k_minute / k_s) + "s";
    if (ns < k_day) return std::to_string(ns / k_hour) + "h " + std::to_string(ns % k_hour / k_minute) + "m";
    return std::to_string(ns / k_day) + "d " + std::to_string(ns % k_day / k_hour) + "h";
}

}  // namespace sigrun

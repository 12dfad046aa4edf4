#include "kernel/app/sigrun/units.hpp"

#include "kernel/base/quantity.hpp"
#include "kernel/base/rfc3339.hpp"

#include <array>
#include <cmath>
#include <cstdio>

namespace sigrun::cli {
namespace {

constexpr std::int64_t k_second = 1'000'000'000, k_minute = 60 * k_second, k_hour = 60 * k_minute, k_day = 24 * k_hour;

std::string scaled(double value, const char* unit) {
    constexpr std::array<const char*, 5> k_prefixes{"", "k", "M", "G", "T"};
    std::size_t i = 0;
    while (std::fabs(value) >= 1000 && i + 1 < k_prefixes.size()) {
        value /= 1000;
        ++i;
    }
    return three_digits(value) + " " + k_prefixes[i] + unit;
}

}  // namespace

std::string age(std::int64_t then_ns, std::int64_t now_ns) {
    const std::int64_t ns = now_ns - then_ns;
    if (ns < k_second) return "now";
    if (ns < 2 * k_minute) return std::to_string(ns / k_second) + "s";
    if (ns < 2 * k_hour) return std::to_string(ns / k_minute) + "m";
    if (ns < 2 * k_day) return std::to_string(ns / k_hour) + "h";
    return std::to_string(ns / k_day) + "d";
}

std::string age_of(std::string_view rfc3339, std::int64_t now_ns) {
    auto then = parse_rfc3339(rfc3339);
    return then ? age(*then, now_ns) : std::string();
}

std::string count_of(std::uint64_t number, std::string_view what) {
    return std::to_string(number) + " " + std::string(what) + (number == 1 ? "" : "s");
}

std::string grouped(std::uint64_t number) {
    std::string out = std::to_string(number);
    for (std::size_t i = out.size(); i > 3; i -= 3) out.insert(i - 3, ",");
    return out;
}

std::string fact_text(std::string_view key, const json::value& value) {
    auto ends = [&](std::string_view suffix) { return key.ends_with(suffix); };
    if (value.is_number()) {
        const double number = value.to_number<double>();
        const bool whole = value.is_int64() || value.is_uint64();
        if (whole && number >= 0 && ends("_bytes")) {
            boost::system::error_code ec;
            auto bytes = value.to_number<std::uint64_t>(ec);
            if (!ec) return format_size(bytes);
        }
        // All are bits per second; of memory, disks and ciphers people think in bytes.
        if (ends("_bps") && key.starts_with("perf.")) return scaled(number / 8, "B/s");
        if (ends("_bps")) return scaled(number, "b/s");
        if (ends("_iops")) return scaled(number, "IOPS");
        if (key.starts_with("perf.") && ends("_ratio")) return three_digits(number * 100) + " %";
        if (ends("_hz")) return scaled(number, "Hz");
        // Far beyond any span (years), where the conversion to an integer would overflow: the plain number.
        if (std::fabs(number) < 1e12) {
            if (ends("_ns")) return span_of_time(static_cast<std::int64_t>(number));
            if (ends("_us")) return span_of_time(static_cast<std::int64_t>(number * 1e3));
            if (ends("_ms")) return span_of_time(static_cast<std::int64_t>(number * 1e6));
        }
        return whole ? json::serialize(value) : three_digits(number);
    }
    if (value.is_string()) return std::string(value.get_string());
    if (value.is_bool()) return value.get_bool() ? "yes" : "no";
    if (value.is_null()) return {};
    if (const auto* list = value.if_array()) {
        std::string out;
        for (const auto& item : *list) {
            if (!out.empty()) out += item.is_object() ? "; " : " ";
            out += fact_text(key, item);
        }
        return out.empty() ? "(none)" : out;
    }
    std::string out;
    for (const auto& member : value.get_object()) {
        if (member.value().is_null()) continue;
        if (!out.empty()) out += ' ';
        out.append(member.key()).append("=").append(fact_text(member.key(), member.value()));
    }
    return out;
}

}  // namespace sigrun::cli

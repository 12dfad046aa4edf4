// sigrun/cpp/job_limits.hpp: the field `limits` of a job document, as the controller checks it and an executor reads it.
// Needs Boost.JSON. Header-only, pure.
#pragma once

#include <sigrun/cpp/text.hpp>

#include <boost/json.hpp>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sigrun::sdk {

/// What one attempt may use. Of the attempt as a whole, but for open_files, file_size and core, which hold for each process.
struct job_limits {
    std::optional<std::uint64_t> memory;  // bytes
    std::optional<std::uint64_t> cpus;    // thousandths of a processor's time
    std::optional<std::uint64_t> pids;    // processes and threads at once
    std::optional<std::uint64_t> open_files;
    std::optional<std::uint64_t> file_size;  // bytes of each file that is written
    std::optional<std::uint64_t> core;       // bytes of a core dump; 0 = none
    std::optional<std::uint64_t> workspace;  // bytes below the workspace
    bool required = false;                   // refuse the job rather than run it with less

    bool any() const noexcept { return memory || cpus || pids || open_files || file_size || core || workspace; }
};

/// One row for each limit, in the order in which they are shown.
struct job_limit_row {
    std::string_view name;
    std::optional<std::uint64_t> job_limits::*value;
    enum class unit : std::uint8_t { bytes, count, cpus } unit;
    std::uint64_t least, most;
    std::string_view expected;
};
inline constexpr std::uint64_t k_largest_limit = std::uint64_t{1} << 60;
inline constexpr job_limit_row k_job_limits[] = {
    {"memory", &job_limits::memory, job_limit_row::unit::bytes, 1u << 20, k_largest_limit,
     "a size from 1MiB to 1EiB such as 512MiB"},
    {"cpus", &job_limits::cpus, job_limit_row::unit::cpus, 10, 4096 * 1000, "a number from 0.01 to 4096 such as 1.5"},
    {"pids", &job_limits::pids, job_limit_row::unit::count, 1, 4194304, "a whole number from 1 to 4194304"},
    {"open_files", &job_limits::open_files, job_limit_row::unit::count, 8, 1u << 30,
     "a whole number from 8 to 1073741824"},
    {"file_size", &job_limits::file_size, job_limit_row::unit::bytes, 0, k_largest_limit,
     "a size up to 1EiB such as 10GiB"},
    {"core", &job_limits::core, job_limit_row::unit::bytes, 0, k_largest_limit,
     "a size up to 1EiB; 0 for no core dumps"},
    {"workspace", &job_limits::workspace, job_limit_row::unit::bytes, 4096, k_largest_limit,
     "a size from 4KiB to 1EiB such as 20GiB"},
};

/// What is wrong with the field.
struct limit_fault {
    std::string field, expected, found;
    bool unknown = false;  // there is no such field
};

namespace detail {

/// A value as a person writes it: 1.5, not 1.5E0.
inline std::string as_written(const boost::json::value& v) {
    const double* number = v.if_double();
    if (!number) return boost::json::serialize(v);
    char room[32];
    return {room, std::to_chars(room, room + sizeof room, *number).ptr};
}

/// Bytes from "512MiB", "10G", "64k" or a plain number of them.
inline std::optional<std::uint64_t> size_of_text(std::string_view text) {
    double n = 0;
    const char* end = text.data() + text.size();
    if (text.empty() || text[0] < '0' || text[0] > '9') return std::nullopt;
    const auto [rest, error] = std::from_chars(text.data(), end, n, std::chars_format::fixed);
    if (error != std::errc()) return std::nullopt;
    std::string_view unit(rest, static_cast<std::size_t>(end - rest));
    if (unit.ends_with('B')) unit.remove_suffix(1);
    double base = 1000;
    if (unit.ends_with('i')) {
        unit.remove_suffix(1);
        base = 1024;
        if (unit.empty()) return std::nullopt;
    }
    constexpr std::string_view k_letters = "kMGTPE";
    if (unit == "K") unit = "k";
    const auto power = unit.empty() ? 0 : k_letters.find(unit) + 1;
    if (unit.size() > 1 || (!unit.empty() && power == 0)) return std::nullopt;
    n *= std::pow(base, static_cast<double>(power));
    if (n > 9e18) return std::nullopt;
    return static_cast<std::uint64_t>(std::llround(n));
}

inline std::optional<std::uint64_t> limit_value(const boost::json::value& v, const job_limit_row& row) {
    std::optional<std::uint64_t> n;
    boost::system::error_code error;
    if (row.unit == job_limit_row::unit::cpus) {
        const double cpus = v.is_number() ? v.to_number<double>(error) : -1;
        if (cpus >= 0 && cpus < 1e6) n = static_cast<std::uint64_t>(std::llround(cpus * 1000));
    } else if (row.unit == job_limit_row::unit::bytes && v.is_string()) {
        n = size_of_text({v.get_string().data(), v.get_string().size()});
    } else if (v.is_int64() || v.is_uint64()) {
        const auto whole = v.to_number<std::uint64_t>(error);
        if (!error) n = whole;
    }
    return n && *n >= row.least && *n <= row.most ? n : std::nullopt;
}

}  // namespace detail

/// Reads the value of `limits` into `out`. Returns the first fault, or nothing.
inline std::optional<limit_fault> read_job_limits(const boost::json::value& v, job_limits& out) {
    const auto* members = v.if_object();
    if (!members) return limit_fault{"limits", "an object such as {\"memory\": \"512MiB\"}", boost::json::serialize(v)};
    for (const auto& [key, value] : *members) {
        const std::string field = concat("limits.", std::string_view(key.data(), key.size()));
        if (key == "enforce") {
            if (value != "required" && value != "best_effort")
                return limit_fault{field, "best_effort or required", detail::as_written(value)};
            out.required = value == "required";
            continue;
        }
        const job_limit_row* row = nullptr;
        for (const auto& each : k_job_limits)
            if (key == each.name) row = &each;
        if (!row) return limit_fault{std::string(key), {}, {}, true};
        const auto n = detail::limit_value(value, *row);
        if (!n) return limit_fault{field, std::string(row->expected), detail::as_written(value)};
        out.*(row->value) = *n;
    }
    return std::nullopt;
}

}  // namespace sigrun::sdk

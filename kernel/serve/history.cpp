#include "kernel/serve/history.hpp"

#include "kernel/base/json_writer.hpp"
#include "kernel/base/time_text.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace sigrun {
namespace {

constexpr nanoseconds k_minute = std::chrono::minutes(1);

/// How many points the time that went by is of; more than one when the machine or the thread stood still.
std::size_t points_in(nanoseconds gone, nanoseconds step, std::size_t most) noexcept {
    const auto n = (gone + step / 2) / step;
    return std::clamp<std::size_t>(n > 0 ? static_cast<std::size_t>(n) : 1, 1, most);
}

void append_value(std::string& out, float value) {
    if (!std::isfinite(value)) {
        out += "null";
        return;
    }
    char digits[32];
    out.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

bool wanted(std::string_view name, const std::vector<std::string>& beginnings) {
    return beginnings.empty() ||
           std::any_of(beginnings.begin(), beginnings.end(), [&](const auto& each) { return name.starts_with(each); });
}

void put(series_ring& ring, const history_reading& before, const history_reading& now, nanoseconds step) {
    for (auto left = points_in(now.at - before.at, step, ring.capacity()); left > 1; --left) ring.push_nothing();
    ring.push(history_row(before, now));
}

}  // namespace

history::history(timer_wheel& timers, sources from, nanoseconds step)
    : timers_(timers), from_(std::move(from)), step_(step) {}

history::~history() { timers_.disarm(*this); }

void history::start() {
    std::lock_guard lock(mutex_);
    running_ = true;
    step_began_ = minute_began_ = from_.read();
    next_ = step_began_.at + step_;
    timers_.arm(*this, next_);
}

void history::stop() {
    {
        std::lock_guard lock(mutex_);
        running_ = false;
    }
    timers_.disarm(*this);
}

void history::on_timer() {
    const auto now = from_.read();
    const auto wall = from_.wall_ns();
    std::lock_guard lock(mutex_);
    if (!running_) return;
    put(steps_, step_began_, now, step_);
    step_began_ = now;
    step_ended_ns_ = wall;
    // Half a step early is near enough: a minute need not be a multiple of the step.
    if (now.at - minute_began_.at + step_ / 2 >= k_minute) {
        put(minutes_, minute_began_, now, k_minute);
        minute_began_ = now;
        minute_ended_ns_ = wall;
    }
    next_ = std::max(next_ + step_, now.at + step_ / 2);
    timers_.arm(*this, next_);
}

std::string history::document(nanoseconds window, const std::vector<std::string>& names) const {
    const bool fine = window <= step_ * static_cast<std::int64_t>(k_steps);
    const auto& ring = fine ? steps_ : minutes_;
    const auto step = fine ? step_ : k_minute;
    const auto protocols = from_.protocols();
    const auto all = history_names(protocols);

    // Copied under the lock, written without it.
    std::vector<std::pair<std::string_view, std::vector<float>>> told;
    std::size_t points = 0;
    std::int64_t ended_ns = 0;
    {
        std::lock_guard lock(mutex_);
        points = std::min(ring.size(), static_cast<std::size_t>(std::max<std::int64_t>(window / step, 1)));
        ended_ns = fine ? step_ended_ns_ : minute_ended_ns_;
        const auto first = ring.size() - points;
        for (std::size_t i = 0; i < all.size(); ++i) {
            if (!wanted(all[i], names)) continue;
            auto& values = told.emplace_back(all[i], std::vector<float>()).second;
            values.reserve(points);
            for (std::size_t p = 0; p < points; ++p) values.push_back(ring.at(i, first + p));
        }
    }
    const auto start_ns = points ? ended_ns - static_cast<std::int64_t>(points - 1) * step.count() : from_.wall_ns();
    std::string out;
    out.reserve(256 + told.size() * points * 8);
    json_writer w(out);
    w.open_object().member("start", to_rfc3339(start_ns)).member("start_ms", start_ns / 1'000'000);
    std::string seconds;
    append_value(seconds, static_cast<float>(std::chrono::duration<double>(step).count()));
    w.key("step_s").raw(seconds);
    w.member("points", points).member("memory_bytes", bytes());
    w.key("series").open_object();
    for (const auto& [name, values] : told) {
        std::string list = "[";
        for (const auto value : values) {
            if (list.size() > 1) list += ',';
            append_value(list, value);
        }
        w.key(name).raw(list + "]");
    }
    w.close_object().close_object();
    return out;
}

}  // namespace sigrun

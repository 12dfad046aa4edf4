// The newest values of several series, point by point, in memory that is taken once. One writer at a time, and no reader meanwhile.
#pragma once

#include <cstddef>
#include <limits>
#include <span>
#include <vector>

namespace sigrun {

/// NaN stands for "no value".
class series_ring {
public:
    series_ring(std::size_t series, std::size_t points) : series_(series), points_(points), values_(series * points) {}

    /// One value of each series; beyond `points` the oldest goes.
    void push(std::span<const float> row) noexcept {
        float* to = &values_[next_ * series_];
        for (std::size_t i = 0; i < series_; ++i) to[i] = i < row.size() ? row[i] : none();
        next_ = (next_ + 1) % points_;
        if (size_ < points_) ++size_;
    }
    void push_nothing() noexcept { push({}); }

    std::size_t size() const noexcept { return size_; }
    std::size_t capacity() const noexcept { return points_; }
    std::size_t bytes() const noexcept { return values_.size() * sizeof(float); }
    /// Point 0 is the oldest there is.
    float at(std::size_t series, std::size_t point) const noexcept {
        return values_[(next_ + points_ - size_ + point) % points_ * series_ + series];
    }
    static constexpr float none() noexcept { return std::numeric_limits<float>::quiet_NaN(); }

private:
    std::size_t series_, points_, next_ = 0, size_ = 0;
    std::vector<float> values_;
};

}  // namespace sigrun

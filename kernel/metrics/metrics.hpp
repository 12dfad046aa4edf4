// Counters, gauges and histograms of the process, in Prometheus text. prometheus-cpp behind handles that stay
// valid for the life of the registry. Counters and gauges are lock-free; a histogram holds a mutex of its own
// for one observe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

class counter {
public:
    void add(double value = 1) noexcept;
    double value() const noexcept;

private:
    friend class metrics;
    explicit counter(void* impl) noexcept : impl_(impl) {}
    void* impl_;
};
class gauge {
public:
    void set(double value) noexcept;
    void add(double value) noexcept;

private:
    friend class metrics;
    explicit gauge(void* impl) noexcept : impl_(impl) {}
    void* impl_;
};
class histogram {
public:
    void observe(double value) noexcept;
    /// Adds what was counted elsewhere: so many values for each bucket, one more number for those beyond the last, and the sum of
    /// all of them. A wrong number of buckets adds nothing.
    void add(const std::vector<double>& in_buckets, double sum) noexcept;

private:
    friend class metrics;
    explicit histogram(void* impl) noexcept : impl_(impl) {}
    void* impl_;
};

using metric_labels = std::map<std::string, std::string>;

/// All [any]. Same name and labels: same handle. Names are Prometheus names; counters end in _total, times in
/// _seconds. At most 10,000 series; beyond that new label sets of a family share one series with the label
/// overflow="true". The get functions throw std::invalid_argument for a wrong name, label or bucket list and
/// for a name that exists with another type, std::length_error beyond 1,000 names.
class metrics {
public:
    metrics();
    ~metrics();
    counter get_counter(std::string_view name, std::string_view help, const metric_labels& labels = {});
    gauge get_gauge(std::string_view name, std::string_view help, const metric_labels& labels = {});
    histogram get_histogram(std::string_view name, std::string_view help, const std::vector<double>& buckets,
                            const metric_labels& labels = {});
    /// Text exposition format 0.0.4 of everything.
    std::string text() const;

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace sigrun

#include "kernel/metrics/metrics.hpp"

#include "kernel/metrics/metric_name.hpp"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <mutex>
#include <stdexcept>

namespace sigrun {
namespace {

constexpr std::size_t k_max_series = 10'000;
constexpr std::size_t k_max_names = 1'000;
const metric_labels k_overflow{{"overflow", "true"}};

}  // namespace

struct metrics::impl {
    struct known_family {
        prometheus::MetricType type;
        void* object;
    };

    // Finds or makes the family and the series; `args` construct a new series.
    template <class T, class... Args>
    void* series(std::string_view name, std::string_view help, const metric_labels& labels, const Args&... args) {
        check_metric_name(name);
        for (const auto& [key, value] : labels) check_label_name(key);
        std::lock_guard lock(mutex);
        auto& family = family_of<T>(name, help);
        if (family.Has(labels)) return &family.Add(labels, args...);
        if (n_series >= k_max_series) return &family.Add(k_overflow, args...);
        ++n_series;
        return &family.Add(labels, args...);
    }

    template <class T>
    prometheus::Family<T>& family_of(std::string_view name, std::string_view help) {
        auto found = families.find(name);
        if (found == families.end()) {
            if (families.size() >= k_max_names) throw std::length_error("more than 1000 metric names");
            auto& made =
                prometheus::detail::Builder<T>().Name(std::string(name)).Help(std::string(help)).Register(registry);
            found = families.emplace(std::string(name), known_family{T::metric_type, &made}).first;
        }
        if (found->second.type != T::metric_type)
            throw std::invalid_argument("metric '" + std::string(name) + "' exists with another type");
        return *static_cast<prometheus::Family<T>*>(found->second.object);
    }

    std::mutex mutex;
    prometheus::Registry registry;
    std::map<std::string, known_family, std::less<>> families;
    std::size_t n_series = 0;
};

metrics::metrics() : impl_(std::make_unique<impl>()) {}
metrics::~metrics() = default;

counter metrics::get_counter(std::string_view name, std::string_view help, const metric_labels& labels) {
    return counter(impl_->series<prometheus::Counter>(name, help, labels));
}

gauge metrics::get_gauge(std::string_view name, std::string_view help, const metric_labels& labels) {
    return gauge(impl_->series<prometheus::Gauge>(name, help, labels));
}

histogram metrics::get_histogram(std::string_view name, std::string_view help, const std::vector<double>& buckets,
                                 const metric_labels& labels) {
    if (buckets.empty() || std::adjacent_find(buckets.begin(), buckets.end(), std::greater_equal<>()) != buckets.end())
        throw std::invalid_argument("metric '" + std::string(name) + "': buckets must be increasing and not empty");
    return histogram(impl_->series<prometheus::Histogram>(name, help, labels, buckets));
}

std::string metrics::text() const { return prometheus::TextSerializer().Serialize(impl_->registry.Collect()); }

void counter::add(double value) noexcept {
    if (value >= 0) static_cast<prometheus::Counter*>(impl_)->Increment(value);  // false for NaN, too
}
double counter::value() const noexcept { return static_cast<prometheus::Counter*>(impl_)->Value(); }
void gauge::set(double value) noexcept { static_cast<prometheus::Gauge*>(impl_)->Set(value); }
void gauge::add(double value) noexcept { static_cast<prometheus::Gauge*>(impl_)->Increment(value); }
void histogram::observe(double value) noexcept { static_cast<prometheus::Histogram*>(impl_)->Observe(value); }
void histogram::add(const std::vector<double>& in_buckets, double sum) noexcept {
    try {
        static_cast<prometheus::Histogram*>(impl_)->ObserveMultiple(in_buckets, sum);
    } catch (const std::length_error&) {  // not as many as it has
    }
}

}  // namespace sigrun

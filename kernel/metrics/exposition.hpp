// Writes Prometheus text of numbers that are kept elsewhere. For what comes and goes, such as runners and queues: a series is there while
// its subject is, where `metrics` keeps each for the life of the process.
#pragma once

#include "kernel/metrics/latency_counts.hpp"

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace sigrun {

class exposition {
public:
    using label = std::pair<std::string_view, std::string_view>;
    using labels = std::initializer_list<label>;

    explicit exposition(std::string& out) : out_(out) {}
    /// What follows belongs to it. `type`: counter, gauge or histogram.
    void family(std::string_view name, std::string_view type, std::string_view help);
    void sample(labels of, double value);
    void histogram(labels of, const latency_snapshot& counts);

private:
    void line(std::string_view suffix, labels of, std::string_view bound, double value);
    std::string& out_;
    std::string name_;
};

}  // namespace sigrun

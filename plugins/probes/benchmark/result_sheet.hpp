// How a measurement becomes a fact: with its spread and how sure it is, or why there is none.
#pragma once

#include "time_box.hpp"

#include <sigrun/cpp/probe.hpp>

namespace sigrun::benchmark {

class result_sheet {
public:
    explicit result_sheet(sdk::probe_run& run) : run_(run) {}

    /// For all figures that follow: how quiet the machine was, nothing if that could not be told.
    void set_noise(std::optional<double> noise) { noise_ = noise; }
    bool noisy() const noexcept;

    struct about {
        std::string_view source;
        std::string_view method = "measured";
        std::string detail{};
    };
    /// The median of the rounds times `scale`; `timeout` if there are too few of them.
    void median(std::string_view key, const std::vector<double>& rounds, double scale, milliseconds limit, about what,
                bool whole = true);
    void value(std::string_view key, const sdk::fact_value& value, double cv, const about& what);
    void none(std::string_view key, std::string_view status, std::string_view source, std::string_view why);
    void cut_off(std::string_view key, std::string_view source, milliseconds limit);

private:
    sdk::probe_run& run_;
    std::optional<double> noise_;
};

}  // namespace sigrun::benchmark

// The lists of `sigrun top`: their columns, and their rows from what the daemon answers. Pure.
#pragma once

#include "kernel/app/sigrun/top/list_model.hpp"
#include "kernel/base/json.hpp"

#include <array>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun::cli::top {

enum class view : unsigned char { runners, jobs, protocols, plugins, balancers };
inline constexpr std::array<std::string_view, 5> k_view_names{"runners", "jobs", "protocols", "plugins", "balancers"};

std::vector<list_column> columns_of_view(view which);

/// Samples of metrics.get by their whole name, such as sigrun_balancer_picks_total{balancer="adaptive"}; without histograms.
using samples = std::map<std::string, double, std::less<>>;
samples parse_metrics(std::string_view text);

std::vector<list_row> runner_rows(const json::array& runners, std::int64_t now_ns);
std::vector<list_row> job_rows(const json::array& jobs, std::int64_t now_ns);
/// `seconds`: how much later `now` is than `before`; 0 = there is no earlier one, and rates are unknown.
std::vector<list_row> protocol_rows(const json::array& runners, const samples& now, const samples& before,
                                    double seconds);
std::vector<list_row> plugin_rows(const json::array& plugins);
/// Balancers, and the queues with what waits in them.
std::vector<list_row> balancer_rows(const samples& now, const samples& before, double seconds);

}  // namespace sigrun::cli::top

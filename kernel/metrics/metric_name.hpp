// What Prometheus allows as names. Both throw std::invalid_argument that tells the name.
#pragma once

#include <string_view>

namespace sigrun {

/// [a-zA-Z_:][a-zA-Z0-9_:]*
void check_metric_name(std::string_view name);
/// [a-zA-Z_][a-zA-Z0-9_]*, not beginning with two underscores, and not "le", which histograms use.
void check_label_name(std::string_view name);

}  // namespace sigrun

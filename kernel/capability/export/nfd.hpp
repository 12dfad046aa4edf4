// Facts as Node Feature Discovery publishes them: its three shapes of features, and the labels it makes of them by default.
#pragma once

#include "kernel/capability/facts.hpp"

#include <map>
#include <string>

namespace sigrun {

/// "feature.node.kubernetes.io/cpu-cpuid.AVX2" -> "true": the built-in labels, with the default settings of its worker (which
/// flags and which classes of devices are labelled). What is not known here has no label, and a value that no label may have.
std::map<std::string, std::string> nfd_labels(const capability_document& facts);

/// {"flags":{FEATURE:{"elements":{NAME:{}}}},"attributes":{FEATURE:{"elements":{NAME:VALUE}}},
/// "instances":{FEATURE:{"elements":[{"attributes":{NAME:VALUE}}]}}}: the member `features` of a NodeFeature.
json::object nfd_features(const capability_document& facts);

}  // namespace sigrun

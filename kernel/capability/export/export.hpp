// Facts in the words of other systems.
#pragma once

#include "kernel/capability/facts.hpp"

#include <string_view>

namespace sigrun {

/// `nfd`: {"format","labels":{NAME:VALUE},"features"} as nfd_labels and nfd_features; `reapi`: {"format","properties":[{"name",
/// "value"}]}. A problem of the field "format" otherwise.
result<json::object> export_facts(const capability_document& facts, std::string_view format);

}  // namespace sigrun

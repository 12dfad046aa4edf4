// How facts about a machine look on a terminal. Pure: FACT list in, text out.
#pragma once

#include "kernel/app/sigrun/terminal.hpp"
#include "kernel/base/json.hpp"

#include <string>
#include <vector>

namespace sigrun::cli {

/// Grouped by the first word of the key, one line per fact. A fact without a value says why instead.
std::string fact_groups(const json::array& facts, const terminal& where);
/// Those whose key begins with one of the prefixes, or which stand for such keys ("gpu.*" of a probe that failed).
json::array facts_of(const json::array& facts, const std::vector<std::string>& prefixes);
/// "NAME=VALUE" lines of what export_facts says: labels or properties.
std::string export_lines(const json::object& exported);
std::string joined(const std::vector<std::string>& words);
/// The handful that tells one machine from another at a glance: system, processor, memory, graphics, tools.
std::string fact_summary(const json::array& facts, const terminal& where, std::string_view indent);

}  // namespace sigrun::cli

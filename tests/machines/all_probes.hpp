// Every probe that reads a machine's files, on a tree and its recorded calls.
#pragma once

#include "machines/tree_file.hpp"

namespace machines {

/// The facts of all probes on the files below `folder`; `calls` as in a machine's file.
fact_map all_facts(const std::string& folder, const json::object& calls);

}  // namespace machines

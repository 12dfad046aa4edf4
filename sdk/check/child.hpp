// Runs one test in a process of its own, with a time limit, and turns its death or silence into findings.
#pragma once

#include "session.hpp"

namespace sigrun::check {

/// `kinds`: the component kinds the plugin has, comma separated; what a test finds goes to `out`.
void run_test(const test& what, const arguments& args, const subject& file, std::vector<finding>& out);

/// A component kind per line of what the descriptor says, asked in a child; empty when it cannot be had.
std::vector<std::string> kinds_of(const arguments& args, const subject& file);

}  // namespace sigrun::check

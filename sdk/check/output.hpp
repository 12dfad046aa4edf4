// The findings as people, programs and CI servers read them.
#pragma once

#include "session.hpp"

#include <map>
#include <string>
#include <vector>

namespace sigrun::check {

/// One line per rule: the worst of what was found for it, in the order of the catalogue.
std::vector<finding> by_rule(const std::vector<finding>& findings);
bool passed(const std::vector<finding>& findings);

std::string as_table(const subject& file, const std::vector<finding>& rules);
/// `groups`: those that ran whole.
std::string as_json(const subject& file, const std::vector<finding>& rules, const std::vector<std::string>& groups);
std::string as_junit(const subject& file, const std::vector<finding>& rules);
/// {"sha256","tool","groups":{"static":"pass", ...}}: kept beside a staged copy to earn its dlclose.
std::string as_verdict(const subject& file, const std::vector<finding>& rules, const std::vector<std::string>& groups);

}  // namespace sigrun::check

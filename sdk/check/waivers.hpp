// Rules that an author gives reasons for not following: sections of an INI file beside the plugin.
//
//   [waive]
//   static/build-id = our linker has none
#pragma once

#include "kernel/base/result.hpp"
#include "report.hpp"

#include <map>
#include <string>

namespace sigrun::check {

/// rule id -> reason. An unknown rule or an empty reason is a problem. `must_exist`: the file was named by the user.
result<std::map<std::string, std::string>> read_waivers(const std::string& path, bool must_exist);
void apply_waivers(const std::map<std::string, std::string>& waivers, std::vector<finding>& findings);

}  // namespace sigrun::check

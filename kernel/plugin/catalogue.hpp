// Which files of the plugin folder are plugins to look at. No file is opened here.
#pragma once

#include "kernel/base/result.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

struct plugin_file {
    std::string path;
    std::string name;  // "http" for .../protocols/http.so; what [plugin http] and component = http:http refer to
};

/// plugin_file::name of a path.
std::string stem_of(std::string_view path);

/// *.so directly in the folder and one level below it, by name; not those that begin with a dot. At most
/// 1,000. A problem if the folder cannot be read.
result<std::vector<plugin_file>> find_plugin_files(const std::string& folder);

}  // namespace sigrun

// The dashboard's files, which are part of this plugin. Pure, static data.
#pragma once

#include <string>
#include <string_view>

namespace sigrun::http {

struct asset {
    std::string_view name, type;
    std::string_view plain, zipped;  // the same content, and by gzip
    std::string tag{};               // changes with the content
    bool forever = false;            // its address changes with its content
};

/// By name, such as "app.js"; "index.html" is the page. Null: there is none of that name, or this plugin was built without them.
const asset* find_asset(std::string_view name);

}  // namespace sigrun::http

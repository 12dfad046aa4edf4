// The dashboard for browsers: the page and its parts.
#pragma once

#include <memory>
#include <string_view>

namespace sigrun::http {

class connection;

/// Answers with that file of the dashboard. False: there is none.
bool answer_asset(connection& who, std::string_view name);

}  // namespace sigrun::http

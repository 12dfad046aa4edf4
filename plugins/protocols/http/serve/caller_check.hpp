// Did a web page send this request? sigrun/cpp/browser_check.hpp, asked about the parser's fields. Pure.
#pragma once

#include <sigrun/cpp/browser_check.hpp>

#include <boost/beast/http/fields.hpp>

#include <optional>

namespace sigrun::http {

using sdk::host_rule;
using sdk::refused_caller;

/// Nothing if the request may go on.
std::optional<refused_caller> check_caller(const boost::beast::http::fields& head, const host_rule& rule);

}  // namespace sigrun::http

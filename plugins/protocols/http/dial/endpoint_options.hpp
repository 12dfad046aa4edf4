// Per-endpoint settings, read by the SDK's reader.
#pragma once

#include <sigrun/cpp/endpoint_options.hpp>

namespace sigrun::http {

using sdk::credentials_header;
using sdk::endpoint_options;

}  // namespace sigrun::http

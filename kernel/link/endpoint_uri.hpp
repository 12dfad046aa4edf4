// What an operator writes as a runner's endpoint, and the address of each protocol made of it. Pure.
//
//   HOST:PORT         every protocol, in the clear
//   tls://HOST:PORT   every protocol, encrypted; nothing is tried without
//   http://HOST:PORT  that protocol alone
#pragma once

#include <string>
#include <string_view>

namespace sigrun {

bool endpoint_names_protocol(std::string_view endpoint) noexcept;
/// HOST:PORT of an endpoint that names no protocol.
std::string_view endpoint_address(std::string_view endpoint) noexcept;
/// The endpoint over a protocol with these schemes (comma separated); "" if that has none of this kind. One that names its
/// protocol is what it is.
std::string endpoint_over(std::string_view endpoint, std::string_view schemes);

}  // namespace sigrun

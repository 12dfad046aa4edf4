// What a URL says about who can read along. Pure.
#pragma once

#include <string_view>

namespace sigrun {

/// https, wss, grpcs, valkyrie+tls, ...
bool is_encrypted_scheme(std::string_view scheme) noexcept;
/// A secret may go there: encrypted, a UNIX socket, or this machine.
bool may_carry_secrets(std::string_view url) noexcept;

}  // namespace sigrun

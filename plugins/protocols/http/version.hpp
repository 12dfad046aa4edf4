// The plugin's version, for the descriptor, the Server header and the user agent.
#pragma once

namespace sigrun::http {
inline constexpr char k_version[] = "0.1.0";
inline constexpr char k_server[] = "Sigrun/0.1.0";  // native peers are recognised by the word before the slash
inline constexpr char k_alpn[] = "http/1.1";
}  // namespace sigrun::http

// How Sigrun's own dialling side names itself.
#pragma once

#include <string_view>

namespace sigrun::grpc {

inline constexpr std::string_view k_agent = "sigrun-grpc/1.0";
inline bool is_own_agent(std::string_view user_agent) noexcept { return user_agent.substr(0, 12) == "sigrun-grpc/"; }

}  // namespace sigrun::grpc

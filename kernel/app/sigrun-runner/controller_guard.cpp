#include "controller_guard.hpp"

#include "kernel/log/loggers.hpp"

#include <sigrun/cpp/error.hpp>

#include <algorithm>

namespace sigrun {
namespace {

constexpr std::string_view k_bearer = "bearer ";

}  // namespace

sigrun_result controller_guard::begin(std::uint64_t session, const sigrun_call& call, const sigrun_sink& replies,
                                      std::uint64_t* call_id, sigrun_error* error, protocol_traffic* over) noexcept {
    return sdk::guarded(error, [&]() -> sigrun_result {
        if (sdk::view(call.method) == "sessions.open") {
            const auto auth = sdk::view(call.auth);
            if (auto good = check(who_.identify(session, auth).certificate, auth); !good) {
                *call_id = 0;
                SIGRUN_LOG(logs::runner, warning, "a controller was refused: ", good.error().text());
                return sdk::report(error, good.error().to_abi(), good.error().to_json());
            }
        }
        return behind_.begin(session, call, replies, call_id, error, over);
    });
}

result<void> controller_guard::check(const std::string& certificate, std::string_view auth) const {
    if (rules_.open()) return {};
    const auto token = auth.starts_with(k_bearer) ? auth.substr(k_bearer.size()) : std::string_view();
    if (!rules_.token.empty() && !token.empty() && equal_in_constant_time(token, rules_.token)) return {};
    const auto& names = rules_.controllers;
    const bool believed = rules_.certificates && !certificate.empty();
    if (believed && (names.empty() || std::find(names.begin(), names.end(), certificate) != names.end())) return {};
    if (believed)
        return problem{errc::forbidden, "the certificate is of another controller", "auth", "one of runner.controllers",
                       certificate};
    std::string wanted = rules_.token.empty() ? "" : "the runner's token (option token of the runner)";
    if (rules_.certificates)
        wanted += std::string(wanted.empty() ? "" : " or ") + "a client certificate that it believes";
    return problem{errc::unauthenticated, "this runner asks who its controller is", "auth", wanted,
                   token.empty() ? "none" : "another token"};
}

}  // namespace sigrun

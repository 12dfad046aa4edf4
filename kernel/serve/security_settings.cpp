#include "kernel/serve/security_settings.hpp"

#include "kernel/net/net_options.hpp"

#include <sigrun/cpp/options.hpp>
#include <sigrun/cpp/text.hpp>

#include <array>

namespace sigrun {
namespace {

using sdk::option;

constexpr std::array k_auth{
    option("required", SIGRUN_OPT_BOOL,
           {.def = "no",
            .doc = "Callers show a token or a client certificate; runners join with a join token. Without it everybody "
                   "who can reach the daemon may do everything.",
            .flags = SIGRUN_OPT_HOT}),
    option(
        "trust_loopback", SIGRUN_OPT_BOOL,
        {.def = "yes",
         .doc = "Callers of this machine may do everything and need no TLS. No: UNIX sockets alone; every user of the "
                "machine can reach a loopback address, and so can who comes through a proxy that runs here.",
         .flags = SIGRUN_OPT_HOT}),
    option("tokens", SIGRUN_OPT_STRING,
           {.def = "auto",
            .doc = "File of hashed tokens and joined runners; auto is tokens.json in the state directory."}),
    option("certificates", SIGRUN_OPT_LIST,
           {.def = "",
            .doc = "NAME:ROLE, ... for client certificates: reader, submitter, runner, operator or admin. Others are "
                   "the runner "
                   "of their name.",
            .flags = SIGRUN_OPT_HOT}),
};

}  // namespace

std::span<const sigrun_opt> auth_option_table() noexcept { return k_auth; }

std::string token_file(const daemon_settings& bound, const std::string& state_dir) {
    auto path = bound.at("auth").text("tokens");
    return path == "auto" ? state_dir + "/tokens.json" : path;
}

result<gate_options> read_gate_options(const daemon_settings& bound) {
    const auto& auth = bound.at("auth");
    gate_options out;
    out.required = auth.boolean("required");
    out.trust_loopback = auth.boolean("trust_loopback");
    for (const auto& each : auth.list("certificates")) {
        const auto colon = each.rfind(':');
        const auto granted =
            colon == std::string::npos ? std::nullopt : parse_role(std::string_view(each).substr(colon + 1));
        if (!granted || colon == 0)
            return bad_value("auth.certificates", sdk::concat("NAME:ROLE with role ", k_role_names),
                             "\"" + each + "\"");
        out.certificates[each.substr(0, colon)] = *granted;
    }
    return out;
}

bool is_guarded(const daemon_settings& bound) {
    return bound.at("auth").boolean("required") && bound.at("tls").boolean("required");
}

result<void> check_security(const daemon_settings& bound, const settings& from) {
    if (auto rules = read_gate_options(bound); !rules) return with_origin(rules.error(), from);
    SIGRUN_TRY(files, read_tls_server(bound.at("tls")));
    if (!files.enabled()) {
        if (bound.at("tls").boolean("required"))
            return with_origin(bad_value("tls.certificate", "a PEM file, as tls.required is on", "nothing"), from);
        return {};
    }
    if (auto made = make_server_context(files, {}); !made) return with_origin(made.error(), from);
    return {};
}

}  // namespace sigrun

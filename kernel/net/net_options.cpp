#include "kernel/net/net_options.hpp"

#include <sigrun/cpp/options.hpp>

#include <array>
#include <cstdlib>
#include <vector>

namespace sigrun {
namespace {

using sdk::option;

constexpr std::array k_net{
    option("proxy", SIGRUN_OPT_SECRET,
           {.def = "auto",
            .doc = "HTTP proxy for what is dialled: auto (https_proxy for encrypted connections, all_proxy for every "
                   "one), none, "
                   "or http://[USER:PASSWORD@]HOST:PORT. This machine itself is never reached through it.",
            .flags = SIGRUN_OPT_HOT}),
    option(
        "no_proxy", SIGRUN_OPT_LIST,
        {.def = "",
         .doc =
             "Reached without the proxy: names, .domains, addresses, networks such as 10.0.0.0/8, each with or without "
             ":PORT; * is all. With auto beside NO_PROXY.",
         .flags = SIGRUN_OPT_HOT}),
};

constexpr auto k_ca =
    option("ca", SIGRUN_OPT_STRING,
           {.def = "",
            .doc = "PEM file of the authorities that peers we dial are believed by; empty: those of the system.",
            .flags = SIGRUN_OPT_HOT});
constexpr auto k_certificate =
    option("certificate", SIGRUN_OPT_STRING,
           {.def = "", .doc = "PEM file of our own certificate, with its chain.", .flags = SIGRUN_OPT_HOT});
constexpr auto k_key = option("key", SIGRUN_OPT_STRING,
                              {.def = "",
                               .doc = "PEM file of its key, without a pass phrase and not readable by others.",
                               .flags = SIGRUN_OPT_HOT});
constexpr auto k_min_version = option(
    "min_version", SIGRUN_OPT_CHOICE,
    {.def = "1.3", .doc = "The oldest version of TLS that is spoken.", .choices = "1.3,1.2", .flags = SIGRUN_OPT_HOT});

constexpr std::array k_tls_server{
    k_ca,
    k_certificate,
    k_key,
    k_min_version,
    option("client_ca", SIGRUN_OPT_STRING,
           {.def = "",
            .doc = "PEM file of the authorities that certificates of callers are believed by.",
            .flags = SIGRUN_OPT_HOT}),
    option("client_auth", SIGRUN_OPT_CHOICE,
           {.def = "none",
            .doc = "Certificates of callers: none is asked for, one may be shown, or one must be.",
            .choices = "none,optional,required",
            .flags = SIGRUN_OPT_HOT}),
    option("required", SIGRUN_OPT_BOOL,
           {.def = "no",
            .doc = "Refuse connections without TLS, but for UNIX sockets and, where [auth] trusts it, loopback. Needs "
                   "a certificate.",
            .flags = SIGRUN_OPT_HOT}),
};

}  // namespace

std::span<const sigrun_opt> net_option_table() noexcept { return k_net; }
std::span<const sigrun_opt> tls_server_option_table() noexcept { return k_tls_server; }

result<net_policy> read_net_policy(const settings& config) {
    SIGRUN_TRY(net, bound_section::bind(config.find("net"), k_net));
    SIGRUN_TRY(tls, bound_section::bind(config.find("tls"), k_tls_server));
    net_policy out;
    SIGRUN_TRY(proxies, proxy_rules::make(net->text("proxy"), net->list("no_proxy"),
                                          [](const char* name) -> const char* { return std::getenv(name); }));
    out.proxies = std::move(proxies);
    out.tls.ca = tls->text("ca");
    out.tls.certificate = tls->text("certificate");
    out.tls.key = tls->text("key");
    out.tls.allow_1_2 = tls->text("min_version") == "1.2";
    return out;
}

result<tls_server_options> read_tls_server(const bound_section& tls) {
    tls_server_options out;
    out.certificate = tls.text("certificate");
    out.key = tls.text("key");
    out.client_ca = tls.text("client_ca");
    const auto auth = tls.text("client_auth");
    out.client_auth = auth == "required"   ? tls_server_options::required
                      : auth == "optional" ? tls_server_options::optional
                                           : tls_server_options::none;
    out.allow_1_2 = tls.text("min_version") == "1.2";
    return out;
}

}  // namespace sigrun

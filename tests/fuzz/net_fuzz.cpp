// What the far end of a connection may send before a protocol has it, and texts that name places: first bytes that may be a
// ClientHello, a proxy's answer, addresses, URLs of proxies, entries of NO_PROXY.
#include "kernel/net/client_hello.hpp"
#include "kernel/net/proxy_reply.hpp"
#include "kernel/net/proxy_rules.hpp"

#include <cstdlib>

using namespace sigrun;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    bool good = true;

    const auto hello = recognise_client_hello(bytes);
    good &= size < 6 || hello != tls_verdict::need_more;
    // More bytes never change a verdict.
    for (std::size_t n = 0; n < size && n < 8; ++n) {
        const auto before = recognise_client_hello(bytes.substr(0, n));
        good &= before == tls_verdict::need_more || before == hello;
    }

    const auto reply = parse_proxy_reply(bytes);
    good &= reply.size <= size && reply.reason.size() <= 100;
    good &= reply.state != proxy_reply::complete || (reply.status >= 0 && reply.status <= 999 && reply.size >= 4);
    good &= reply.state != proxy_reply::need_more || size < k_max_proxy_reply;

    if (const auto where = parse_net_address(bytes)) {
        // What was understood is understood again.
        const auto again = parse_net_address(where->text());
        good &= again && again->host == where->host && again->port == where->port && again->path == where->path;
        (void)numeric_address(*where).text();
        (void)matches_no_proxy(bytes, *where);
    }
    net_address target;
    target.host = "192.0.2.7";
    target.port = 443;
    (void)matches_no_proxy(bytes, target);
    target.host = "far.example";
    (void)matches_no_proxy(bytes, target);
    if (const auto proxy = parse_proxy(bytes, "net.proxy"))
        good &= proxy->authorization.find_first_of("\r\n") == std::string::npos && proxy->where.port != 0;
    if (!good) std::abort();
    return 0;
}

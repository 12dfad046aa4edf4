// Lets the built plugin serve a connection inside a mock host.
#include <sigrun/cpp/mock_file.hpp>
#include <sigrun/cpp/mock_host.hpp>
#include <sigrun/protocol.h>

#include <cstdio>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace sigrun::sdk;

static int failures = 0;
static void expect(bool condition, const char* what) {
    if (condition) return;
    std::fprintf(stderr, "failed: %s\n", what);
    ++failures;
}

static std::string ask(mock_host& host, sigrun_instance* instance, const sigrun_protocol* protocol, const std::string& line,
                       bool finish = true) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return "no socket";
    ::fcntl(ends[1], F_SETFL, O_NONBLOCK);
    sigrun_accept accept{};
    accept.struct_size = sizeof accept;
    accept.fd = ends[1];
    accept.session = 7;
    const auto lifetime = host.mint();
    expect(protocol->serve->on_accept(instance, &accept, lifetime) == SIGRUN_OK, "the connection is taken");
    expect(::write(ends[0], line.data(), line.size()) == static_cast<ssize_t>(line.size()), "the line is sent");
    if (finish) ::shutdown(ends[0], SHUT_WR);
    std::string answer;
    char room[512];
    for (ssize_t n = 0; (n = ::read(ends[0], room, sizeof room)) > 0;) answer.append(room, static_cast<std::size_t>(n));
    ::close(ends[0]);
    expect(host.wait(lifetime).result == SIGRUN_OK, "the connection's end is reported");
    return answer;
}

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    const plugin_file file(argv[1]);
    mock_host host;
    host.on_call = [](std::uint64_t session, const sigrun_call& call, const sigrun_sink& replies, std::uint64_t* id,
                      sigrun_error* error) -> sigrun_result {
        *id = 0;
        if (view(call.method) == "wrong.method") return report(error, SIGRUN_E_NOT_FOUND, "{\"code\":\"not_found\"}");
        sigrun_frame f{};
        f.struct_size = sizeof f;
        f.kind = SIGRUN_REPLY;
        f.flags = SIGRUN_FRAME_LAST;
        const auto json = concat("{\"session\":", session, ",\"params\":\"", view(call.params), "\"}");
        f.json = str(json);
        replies.on_frame(replies.ctx, &f);
        return SIGRUN_OK;
    };
    auto* instance = host.start(host.create_from(file.entry(), "@name@"));
    const auto* protocol =
        static_cast<const sigrun_protocol*>(instance->get_interface(instance, str(SIGRUN_KIND_PROTOCOL)));
    const std::string greeting = "@name@ ";
    for (std::size_t n = 1; n <= greeting.size(); ++n)
        expect(protocol->serve->recognise(instance, bytes(greeting.substr(0, n)), 0) ==
                   (n < greeting.size() ? SIGRUN_NEED_MORE : SIGRUN_OK),
               "the greeting is recognised byte by byte");
    expect(protocol->serve->recognise(instance, bytes("GET / HTTP/1.1"), 0) == SIGRUN_NOT_MINE, "others are not");
    expect(ask(host, instance, protocol, "@name@ some.method a b\n", false) == "{\"session\":7,\"params\":\"a b\"}\n",
           "a call is answered");
    expect(ask(host, instance, protocol, "@name@ wrong.method\r\n") == "{\"code\":\"not_found\"}\n", "a refusal is told");
    expect(ask(host, instance, protocol, "@name@ half").empty(), "half a line is no call");
    expect(ask(host, instance, protocol, "@name@ " + std::string(20000, 'x') + "\n").empty(), "a line has its limit");
    const auto drained = host.mint();
    expect(instance->drain(instance, 0, drained) >= 0 && host.wait(drained).result == SIGRUN_OK, "it drains");
    host.destroy(instance);
    expect(host.live_buffers() == 0 && host.open_ops() == 0, "nothing is left behind");
    return failures ? 1 : 0;
}

// What a stranger may send to the grpc plugin over a connection: frames of HTTP/2, headers, gRPC messages, in any order. The
// input follows the preface, over a real socket into a real instance of the plugin. Whatever comes, the connection ends once
// its bytes are over, every call it began has ended, and nothing is held.
#include <sigrun/cpp/mock_host.hpp>
#include <sigrun/protocol.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

namespace {

using namespace sigrun;

void check(bool holds) {
    if (!holds) std::abort();
}

/// Answers most calls at once; those to jobs.logs and events.watch stay open until the peer or its connection ends. Takes
/// every runner that registers.
struct server {
    server() {
        host.on_call = [this](std::uint64_t, const sigrun_call& c, const sigrun_sink& replies, std::uint64_t* id,
                              sigrun_error* error) -> sigrun_result {
            const auto method = sdk::view(c.method);
            check(!method.empty() && sdk::is_utf8(sdk::view(c.json)));
            if (method == "jobs.get")
                return sdk::report(error, SIGRUN_E_NOT_FOUND, R"({"code":"not_found","title":"no such job"})");
            if (method == "jobs.logs" || method == "events.watch") {
                *id = ++next_call;
                ++held;
                return SIGRUN_PENDING;
            }
            sigrun_frame reply{};
            reply.struct_size = sizeof reply;
            reply.kind = SIGRUN_REPLY;
            reply.flags = SIGRUN_FRAME_LAST;
            reply.json = sdk::str("{}");
            if (method == "runners.register") {
                reply.flags |= SIGRUN_FRAME_LINK;
                reply.json = sdk::str(R"({"ticket":"t"})");
            }
            return replies.on_frame(replies.ctx, &reply);
        };
        host.on_end = [this](std::uint64_t) { --held; };
        host.on_adopt = [this](std::uint64_t, std::string_view, sigrun_link* made, const sigrun_sink** to,
                               sigrun_error*) {
            links.push_back(made);
            *to = &frames;
            return sigrun_result{SIGRUN_OK};
        };
        instance = host.start(host.create("grpc", {{"max_message", "128KiB"}, {"max_header", "4KiB"}}));
        table = static_cast<const sigrun_protocol*>(instance->get_interface(instance, sdk::str(SIGRUN_KIND_PROTOCOL)));
    }
    /// What the kernel does with links whose connection is over.
    void close_links() {
        for (auto* link : links) {
            const auto op = host.mint();
            table->link->close(link, SIGRUN_OK, op);
            (void)host.wait(op);
        }
        links.clear();
    }

    sdk::mock_host host;
    std::vector<sigrun_link*> links;
    const sigrun_sink frames{sizeof(sigrun_sink), 0, nullptr,
                             [](void*, const sigrun_frame* frame) noexcept -> sigrun_result {
                                 check(frame->kind && sdk::is_utf8(sdk::view(frame->json)));
                                 // A runner's log may have to wait, which the host says by this.
                                 return frame->kind == SIGRUN_LOG && frame->offset % 3 == 1 ? SIGRUN_E_BUSY : SIGRUN_OK;
                             }};
    sigrun_instance* instance = nullptr;
    const sigrun_protocol* table = nullptr;
    std::atomic<std::uint64_t> next_call{0};
    std::atomic<int> held{0};
};

/// Sends all and reads what is answered, until the other side closes.
void talk(int fd, std::string_view bytes) {
    bool sending = true;
    for (;;) {
        if (sending && bytes.empty()) {
            ::shutdown(fd, SHUT_WR);
            sending = false;
        }
        pollfd p{fd, static_cast<short>(POLLIN | (sending ? POLLOUT : 0)), 0};
        check(::poll(&p, 1, 10'000) == 1);  // it must not hang
        if (p.revents & POLLOUT) {
            const auto n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (n > 0) bytes.remove_prefix(static_cast<std::size_t>(n));
            if (n < 0 && errno != EAGAIN) sending = false;  // it has closed: what it said is still to be read
        }
        if (!(p.revents & (POLLIN | POLLHUP | POLLERR))) continue;
        char answer[4096];
        if (::recv(fd, answer, sizeof answer, MSG_DONTWAIT) <= 0) return;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static auto& s = *new server;  // its threads live as long as the program
    int pair[2];
    check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    check(::fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0);
    sigrun_accept a{};
    a.struct_size = sizeof a;
    a.fd = pair[0];
    static std::uint64_t session = 0;
    a.session = ++session;
    const auto lifetime = s.host.mint();
    check(s.table->serve->on_accept(s.instance, &a, lifetime) == SIGRUN_OK);
    talk(pair[1], std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").append(reinterpret_cast<const char*>(data), size));
    ::close(pair[1]);
    (void)s.host.wait(lifetime);  // throws if it hangs
    s.close_links();
    check(s.held == 0 && s.host.live_buffers() == 0 && s.host.double_completions() == 0);
    return 0;
}

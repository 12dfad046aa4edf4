#include "link_table.hpp"

namespace sigrun::websocket {

namespace {
connection& of(sigrun_link* link) noexcept { return *link->connection; }

sigrun_result send(sigrun_link* link, const sigrun_frame* frame) noexcept {
    return sdk::guarded(nullptr, [&] { return of(link).send_frame(*frame); });
}

sigrun_result execute(sigrun_link* link, const sigrun_frame* offer) noexcept {
    if (offer->kind != SIGRUN_OFFER || !offer->attempt) return SIGRUN_E_INVALID;
    return send(link, offer);
}

sigrun_result cancel(sigrun_link* link, const sigrun_attempt* attempt, std::uint64_t grace_ns) noexcept {
    sigrun_frame frame{};
    frame.struct_size = sizeof frame;
    frame.kind = SIGRUN_CANCEL;
    frame.attempt = attempt;
    frame.time_ns = grace_ns;
    return send(link, &frame);
}

sigrun_result ping(sigrun_link* link, sigrun_op op) noexcept {
    return sdk::guarded(nullptr, [&] {
        auto host = of(link).host();
        return of(link).ping([host, op](sigrun_result result, std::uint64_t rtt_ns) {
            if (result == SIGRUN_OK)
                host.complete_text(op, SIGRUN_OK, sdk::concat(R"({"rtt_ns":)", rtt_ns, "}"));
            else
                host.complete_text(op, result, "the connection ended before the pong");
        });
    });
}

sigrun_result call(sigrun_link* link, const sigrun_call* request, const sigrun_sink* replies, sigrun_op op) noexcept {
    return sdk::guarded(nullptr, [&] { return of(link).call(*request, *replies, op); });
}

void close(sigrun_link* link, sigrun_result why, sigrun_op op) noexcept {
    auto connection = link->connection;
    auto host = connection->host();
    sdk::guarded(nullptr, [&] {
        // Loops end only when no link is left.
        connection->on().post([link, connection, host, op, why] {
            connection->close_session(why == SIGRUN_OK ? "closed by the host"
                                                       : sdk::concat("closed by the host (result ", why, ")"));
            delete link;
            host.complete(op, SIGRUN_OK);
        });
    });
}
}  // namespace

const sigrun_link_ops k_link_ops{sizeof(sigrun_link_ops),
                                 0,
                                 &execute,
                                 nullptr,  // attach: the kernel takes running attempts up through HELLO
                                 &cancel,
                                 nullptr,  // describe: facts come with HELLO
                                 &ping,
                                 &send,
                                 &call,
                                 &close};

}  // namespace sigrun::websocket

// A link is a connection that the host holds. The kernel takes running attempts up through HELLO, which brings the facts, too.
#include "connection.hpp"

using namespace sigrun;

sigrun_result sigrun_link::send(const sigrun_frame& frame) { return connection->send_frame(frame); }

sigrun_result sigrun_link::ping(sigrun_op op) {
    return connection->ping([host = connection->host(), op](sigrun_result result, std::uint64_t rtt_ns) {
        if (result == SIGRUN_OK)
            host.complete_text(op, SIGRUN_OK, sdk::concat(R"({"rtt_ns":)", rtt_ns, "}"));
        else
            host.complete_text(op, result, "the connection ended before PONG");
    });
}

sigrun_result sigrun_link::call(const sigrun_call& request, const sigrun_sink& replies, sigrun_op op) {
    return connection->call(request, replies, op);
}

void sigrun_link::close(sigrun_result why, sigrun_op op) {
    auto over = connection;
    auto finish = [this, over, host = over->host(), op, why] {
        over->close_session(why == SIGRUN_OK ? "closed by the host"
                                             : sdk::concat("closed by the host (result ", why, ")"));
        delete this;
        host.complete(op, SIGRUN_OK);
    };
    if (!over->on().post(finish)) finish();  // the loop has ended: nobody else is using the connection
}

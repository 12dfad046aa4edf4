// The slots of sigrun_link_ops.
#include "link.hpp"

namespace sigrun::grpc {

namespace {
sigrun_result send(sigrun_link* link, const sigrun_frame* frame) noexcept {
    return sdk::guarded(nullptr, [&] { return link->send(*frame); });
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
    return sdk::guarded(nullptr, [&] { return link->ping(op); });
}

sigrun_result call(sigrun_link* link, const sigrun_call* request, const sigrun_sink* replies, sigrun_op op) noexcept {
    return sdk::guarded(nullptr, [&] { return link->call(*request, *replies, op); });
}

void close(sigrun_link* link, sigrun_result why, sigrun_op op) noexcept {
    sdk::guarded(nullptr, [&] { link->close(why, op); });
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

}  // namespace sigrun::grpc

// What every link of this plugin offers: the C++ side of sigrun_link_ops. Operations are [any].
#pragma once

#include "wire/frame_codec.hpp"

#include <sigrun/cpp/host.hpp>
#include <sigrun/protocol.h>

/// The ABI's opaque link. A slot that a kind of link cannot offer answers E_UNSUPPORTED.
struct sigrun_link {
    sigrun_link() = default;
    sigrun_link(const sigrun_link&) = delete;
    sigrun_link& operator=(const sigrun_link&) = delete;
    virtual ~sigrun_link() = default;

    virtual sigrun_result execute(const sigrun_frame& offer) = 0;
    virtual sigrun_result attach(const sigrun_attempt&, std::uint64_t, sigrun_op) { return SIGRUN_E_UNSUPPORTED; }
    virtual sigrun_result cancel(const sigrun_attempt& attempt, std::uint64_t grace_ns) = 0;
    virtual sigrun_result describe(sigrun_op) { return SIGRUN_E_UNSUPPORTED; }
    virtual sigrun_result ping(sigrun_op op) = 0;
    virtual sigrun_result send(const sigrun_frame&) { return SIGRUN_E_UNSUPPORTED; }
    virtual sigrun_result call(const sigrun_call&, const sigrun_sink&, sigrun_op) { return SIGRUN_E_UNSUPPORTED; }
    virtual void close(sigrun_result why, sigrun_op op) = 0;
};

namespace sigrun::http {

using sdk::deliver_bye;
using sdk::deliver_frame;

}  // namespace sigrun::http

// What both kinds of link of this plugin offer: the C++ side of sigrun_link_ops. Operations are [any].
#pragma once

#include <sigrun/cpp/host.hpp>
#include <sigrun/protocol.h>

/// The ABI's opaque link.
struct sigrun_link {
    sigrun_link() = default;
    sigrun_link(const sigrun_link&) = delete;
    sigrun_link& operator=(const sigrun_link&) = delete;
    virtual ~sigrun_link() = default;

    virtual sigrun_result send(const sigrun_frame& frame) = 0;
    virtual sigrun_result ping(sigrun_op op) = 0;
    virtual sigrun_result call(const sigrun_call& call, const sigrun_sink& replies, sigrun_op op) = 0;
    /// Frees the link and completes the op.
    virtual void close(sigrun_result why, sigrun_op op) = 0;
};

// The link of a connection this side opened: calls, and after one of them granted a session, frames.
#pragma once

#include "dial/dialled_call.hpp"
#include "dial/opener.hpp"
#include "link.hpp"

namespace sigrun::grpc {

class dialled_link final : public sigrun_link, public std::enable_shared_from_this<dialled_link> {
public:
    dialled_link(core_ptr shared, loop& on, const sigrun_sink& frames)
        : shared_(std::move(shared)), loop_(on), frames_(frames) {}

    /// [any] Connects, asks whether the peer has sigrun.v1.Sessions, then completes the op.
    void open(const dial_request& request, sdk::op done);

    sigrun_result send(const sigrun_frame& frame) override;
    sigrun_result ping(sigrun_op op) override;
    sigrun_result call(const sigrun_call& call, const sigrun_sink& replies, sigrun_op op) override;
    void close(sigrun_result why, sigrun_op op) override;

private:
    void on_connected(const opened& made, const std::shared_ptr<sdk::op>& done);
    void adopt(std::shared_ptr<dialled> peer);
    void lost(const std::string& why);
    std::shared_ptr<dialled_call> session();

    const core_ptr shared_;
    loop& loop_;
    const sigrun_sink frames_;
    std::shared_ptr<dialled_link> self_;  // until the host has closed it
    std::shared_ptr<dialled> peer_;       // set before the op completes
    bool told_ = false;                   // [loop] the sink had its last BYE, or the host closed the link
    std::atomic<std::size_t> calls_{0};
    std::mutex mutex_;
    std::shared_ptr<dialled_call> session_;
};

}  // namespace sigrun::grpc

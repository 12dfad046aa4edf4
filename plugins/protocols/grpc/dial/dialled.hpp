// A connection this side opened.
#pragma once

#include "dial/endpoint.hpp"
#include "h2/connection.hpp"

namespace sigrun::grpc {

class dialled final : public connection {
public:
    /// result OK: the peer's SETTINGS are there. Else the connection is gone, and why.
    using ready_fn = std::function<void(sigrun_result result, const std::string& why)>;

    dialled(core_ptr shared, loop& on, int fd, endpoint where)
        : connection(std::move(shared), on, fd, role::dialled), where_(std::move(where)) {}

    std::shared_ptr<dialled> self() { return std::static_pointer_cast<dialled>(shared_from_this()); }

    // ---- [loop]
    void begin(std::uint64_t deadline, ready_fn ready);
    /// Once, when it is gone.
    void when_gone(std::function<void(sigrun_result, const std::string&)> tell) { gone_ = std::move(tell); }
    void when_told_to_go(std::function<void()> tell) { told_ = std::move(tell); }
    /// Ends it at that time unless it is moved: detection. 0 = never.
    void end_at(std::uint64_t when);

    /// The head of a request for this peer.
    std::vector<field> request_head(std::string_view path, std::string_view authorization) const;

protected:
    void on_open() override;
    void on_told_to_go() override;
    void on_gone(sigrun_result result, const std::string& why) override;
    std::uint64_t next_deadline() const noexcept override { return end_at_; }
    void more_deadlines(std::uint64_t now) override;

private:
    const endpoint where_;
    ready_fn ready_;
    std::function<void(sigrun_result, const std::string&)> gone_;
    std::function<void()> told_;
    std::uint64_t end_at_ = 0;
};

}  // namespace sigrun::grpc

// The instance: connections, the commands of others, and the interfaces it offers.
#pragma once

#include "connection.hpp"

#include <sigrun/cpp/options.hpp>
#include <sigrun/protocol.h>

#include <list>
#include <vector>

namespace line {

class server : private loop::client {
public:
    server(sigrun::sdk::host host, const sigrun::sdk::config_reader& config);
    ~server() override;

    const void* interface(std::string_view id) noexcept;  // [any]
    void start();                                         // [ctl]
    void drain(std::uint64_t deadline_ns, sigrun::sdk::op done);

private:
    static sigrun_result recognise(sigrun_instance*, sigrun_bytes first, std::uint32_t) noexcept;
    static sigrun_result on_accept(sigrun_instance* i, const sigrun_accept* accept, sigrun_op lifetime) noexcept;
    static sigrun_result retire(sigrun_instance* i, std::uint64_t deadline_ns, sigrun_op done) noexcept;

    void wanted(std::vector<pollfd>& fds) override;
    void ready(const pollfd& which) override;
    void look() override;
    bool finished() const override { return connections_.empty() && live_calls_ == 0; }
    void begin_to_retire(std::uint64_t deadline_ns, std::shared_ptr<sigrun::sdk::op> done);

    struct leaving {
        std::chrono::steady_clock::time_point deadline;
        std::shared_ptr<sigrun::sdk::op> done;
    };
    sigrun::sdk::host host_;
    const std::size_t max_connections_;
    command_table commands_;
    std::size_t live_calls_ = 0;  // like everything below: on the loop's thread
    loop loop_;
    connection::surroundings around_;
    std::list<std::shared_ptr<connection>> connections_;
    std::vector<leaving> leaving_;
};

}  // namespace line

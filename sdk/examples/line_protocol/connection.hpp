// One client: its lines in, the answers out, one command at a time. On the loop's thread.
#pragma once

#include "command_table.hpp"
#include "method_call.hpp"

#include <poll.h>

#include <chrono>
#include <string>

namespace line {

class connection : public std::enable_shared_from_this<connection> {
public:
    using time_point = std::chrono::steady_clock::time_point;
    struct surroundings {
        sigrun::sdk::host host;
        loop& thread;
        command_table& commands;
        std::size_t& live_calls;
        std::size_t max_line;
    };
    connection(const surroundings& around, int fd, std::uint64_t session, sigrun::sdk::op lifetime);
    ~connection();

    int fd() const noexcept { return fd_; }
    short wanted() const noexcept;  // poll events
    void ready(short events);
    /// No new command after those that have arrived; the client is told to come again.
    void retire();
    void look();
    void cut();
    /// The peer, the socket and the call are gone.
    bool over() const noexcept { return fd_ < 0 && !call_; }

private:
    void read();
    void flush();
    void take_lines();
    void take(std::string_view line);
    void run(std::string_view arguments);
    void follow(const std::string& id);
    void show_result(const std::string& id);
    void show_output(const reply& r);
    void call(std::string_view method, std::string_view params, std::string_view document,
              std::function<void(const reply&)> on_reply);
    void say(std::string_view text);
    void idle();  // the command is answered
    void say_goodbye();

    const surroundings& around_;
    int fd_;
    const std::uint64_t session_;
    sigrun::sdk::op lifetime_;
    std::string in_, out_;
    std::string partial_[2];  // output of the job without its line end yet: stdout, stderr
    bool greeted_ = false, peer_done_ = false, retiring_ = false, closing_ = false;
    time_point close_at_{};
    std::shared_ptr<method_call> call_;
};

}  // namespace line

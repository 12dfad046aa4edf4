// One keep-alive connection to a peer, carrying one request at a time. Everything on the thread of its loop.
#pragma once

#include "dial/endpoint.hpp"
#include "loop.hpp"

#include <sigrun/cpp/dial_group.hpp>

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace sigrun::http {

enum class fault { none, connect, broken, timeout, too_large, malformed, cancelled };

/// What came of a request.
struct client_result {
    fault what = fault::none;
    std::string why;       // with a fault
    bool sent = false;     // some of the request may have reached the peer
    int status = 0;        // 0: no head came
    unsigned version = 0;  // 10 or 11
    bool keep_alive = false;
    std::chrono::nanoseconds took{};  // from the first byte sent to the end of the response
    boost::beast::http::fields headers;
    std::string body;  // what on_data did not take
};

/// Which connections a request goes over. Polls and posts of a session have one each, once they began: a server that is
/// being replaced keeps those, while a new connection may reach a server that does not know the session.
enum class lane { calls, polls, posts };

/// A request and who waits for it. Owned by whoever works on it; at most one result.
struct client_request {
    std::string verb = "GET";
    std::string target;   // without the endpoint's base path
    std::string headers;  // complete header lines, without Host, User-Agent and Content-Length
    std::string body;
    bool has_body = false;
    lane over = lane::calls;
    bool without_base = false;  // the target is complete: a redirect within the origin
    time_point deadline = time_point::max();
    std::size_t max_reply = std::size_t{16} << 20;
    /// Optional: takes body data as it comes. False: keeps it and stops reading until resume().
    std::function<bool(int status, const boost::beast::http::fields& headers, std::string& data)> on_data;
    std::function<void(client_result)> on_done;
};
using request_ptr = std::shared_ptr<client_request>;

struct client_settings {
    endpoint peer;
    std::string options;  // the endpoint's: the host reads what it says about TLS
    std::string user_agent;
    std::chrono::nanoseconds connect_timeout{};
    std::shared_ptr<sdk::dial_group> dials;
};

class client_connection : public std::enable_shared_from_this<client_connection> {
public:
    client_connection(loop& where, std::shared_ptr<const client_settings> settings);

    lane of = lane::calls;  // its owner's note

    bool idle() const noexcept { return !request_ && open_; }
    bool busy() const noexcept { return request_ != nullptr; }
    const request_ptr& current() const noexcept { return request_; }
    /// True if the peer has neither closed an idle connection nor sent anything on it.
    bool still_good();
    /// Sends it, connecting first if need be. `free` runs after its result was given.
    void run(request_ptr request, std::function<void()> free);
    /// on_data can take more.
    void resume();
    /// Ends the current request with fault::cancelled and closes.
    void cancel(std::string_view why);

private:
    void connect();
    void connected(sigrun_result result, sdk::dialled_fd fd, const std::string& why);
    void send();
    void read();
    void parse();
    void on_end_of_input();
    bool offer_data();
    void finish(fault what, std::string why);
    void arm_deadline();
    void new_parser();
    bool is_head_too_large(std::size_t used);

    loop& loop_;
    std::shared_ptr<const client_settings> settings_;
    asio::generic::stream_protocol::socket socket_;
    asio::steady_timer timer_;
    bool open_ = false;
    request_ptr request_;
    std::uint64_t turn_ = 0;  // tells handlers of an older request that they are late
    std::function<void()> free_;
    boost::beast::flat_buffer in_;
    std::optional<boost::beast::http::response_parser<boost::beast::http::string_body>> parser_;
    std::size_t head_size_ = 0;  // bytes of heads parsed since the request was sent
    client_result result_;
    time_point connect_until_;
    time_point sent_at_;
    bool connecting_ = false;
    std::uint64_t dial_ = 0;  // while connecting
    bool paused_ = false;
    bool reading_ = false;
    bool writing_ = false;
    bool input_ended_ = false;
};

}  // namespace sigrun::http

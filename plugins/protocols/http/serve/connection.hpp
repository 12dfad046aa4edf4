// One accepted HTTP/1.x connection: reads requests, has them answered one at a time (so pipelined requests
// are answered in order), writes, and ends when the peer is slow, silent or gone. Everything on the thread of
// its loop.
#pragma once

#include "loop.hpp"
#include "serve/pending.hpp"
#include "serve/problem.hpp"
#include "serve/request_check.hpp"

#include <sigrun/cpp/host.hpp>
#include <sigrun/protocol.h>

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <memory>
#include <optional>
#include <string>

namespace sigrun::http {

class server;

class connection : public ticking, public std::enable_shared_from_this<connection> {
public:
    using request = boost::beast::http::request<boost::beast::http::string_body>;

    /// Owns accept.fd from here on.
    connection(server& owner, loop& where, const sigrun_accept& accept);
    ~connection() override;

    /// [loop] `lifetime` is completed when the connection has ended.
    void begin(sdk::op lifetime);
    void tick(time_point now) override;
    void shut() override { close(); }
    /// [loop] Ends if no request has come and none is on its way as far as the system knows.
    void end_if_idle();

    // For whoever answers the current request, all [loop].
    server& owner() noexcept { return owner_; }
    loop& where() noexcept { return loop_; }
    std::uint64_t session() const noexcept { return session_; }
    const std::string& auth() const noexcept { return checked_.auth.empty() ? peer_auth_ : checked_.auth; }
    const checked_request& asked() const noexcept { return checked_; }
    /// Of the request that is being answered.
    const request_names& names() const noexcept { return names_; }
    std::string take_body() { return std::move(request_.body()); }
    /// Counts requests: tells a late answer that its request is over.
    std::uint64_t turn() const noexcept { return turn_; }
    bool answering() const noexcept { return phase_ == phase::answer; }
    void wait_for(std::shared_ptr<pending> what) { pending_ = std::move(what); }

    void reply(int status, std::string_view type, std::string_view body, std::string_view extra = {});
    void reply_problem(const problem_reply& p);
    void reply_problem(const problem& p);
    void stream_head(int status, std::string_view type);
    /// Of a stream that has this many bytes.
    void stream_head(int status, std::string_view type, std::string_view extra, std::uint64_t length);
    void stream(std::string_view data);
    void stream_end();
    /// Ends the stream and then the connection, so that the peer asks for the rest elsewhere.
    void stream_end_here();
    /// Requests of this session come over this connection: it is kept as long as the session is.
    void carry(std::string token) { carried_ = std::move(token); }
    void flush();
    /// Breaks the stream off, so that the peer sees it is incomplete.
    void abort() { close(); }
    std::size_t backlog() const noexcept { return out_.size() + writing_.size() - written_; }

private:
    enum class phase { head, body, answer, linger, closed };

    bool reads_requests() const noexcept { return phase_ == phase::head || phase_ == phase::body; }
    void next_request();
    void arm_read();
    void on_read(const boost::system::error_code& ec, std::size_t n);
    void on_end_of_input();
    void advance();
    bool parse_some();
    bool is_head_too_large(bool incomplete) const;
    void on_head();
    std::string announced_size() const;
    void refuse_syntax(const boost::system::error_code& ec);
    void give_early(const early_answer& answer, bool body_follows);
    void start_answer();
    bool has_unread();
    bool ends_here();
    void finish_answer();
    void write_more();
    void on_written();
    void linger();
    void close();
    void leave();

    server& owner_;
    loop& loop_;
    asio::generic::stream_protocol::socket socket_;
    std::uint64_t session_;
    std::string peer_auth_;  // identity of a UNIX peer
    host_rule hosts_;
    sdk::op lifetime_;

    phase phase_ = phase::head;
    time_point since_;         // when this phase began, or its first byte came
    time_point last_written_;  // progress of writing
    bool first_request_ = true;
    bool reading_ = false;
    bool advancing_ = false;
    bool input_ended_ = false;
    bool keep_alive_ = true;
    bool http10_ = false;
    bool head_only_ = false;
    bool chunked_ = false;
    boost::beast::flat_buffer in_;
    std::optional<boost::beast::http::request_parser<boost::beast::http::string_body>> parser_;
    std::size_t head_size_ = 0;  // bytes of the current head that were parsed
    request request_;
    checked_request checked_;
    request_names names_;
    std::uint64_t turn_ = 0;
    std::shared_ptr<pending> pending_;
    std::string carried_;  // token of a session
    std::string out_;
    std::string writing_;
    std::size_t written_ = 0;
};

}  // namespace sigrun::http

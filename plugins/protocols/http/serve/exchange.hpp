// Answers one request: starts the method call it stands for and turns the replies into HTTP.
#pragma once

#include "serve/connection.hpp"
#include "serve/pending.hpp"
#include "serve/reply_inbox.hpp"
#include "serve/sse.hpp"

#include <memory>
#include <string>

namespace sigrun::http {

/// [loop] Has the connection's current request answered, now or later.
void answer_request(const std::shared_ptr<connection>& who);

/// One call on behalf of one request. All [loop].
class exchange : public pending, public std::enable_shared_from_this<exchange> {
public:
    exchange(const std::shared_ptr<connection>& who, std::string method, std::string params);
    void start();

    bool streams() const noexcept override { return streams_; }
    void wrote(std::size_t backlog) override;
    void tick(time_point now) override;
    void gone(std::function<void()> done) override;

private:
    void drain();
    void on_reply(const reply& r);
    void give_single(const reply& r);
    void give_piece(const reply& r);
    void give_error(const reply& r);
    void give_bytes(const reply& r);
    void bytes_head(const reply& first);
    void open_session(const reply& r);
    void head();
    bool ends_for_reconnect() const;
    void end_for_reconnect();
    /// The token of a new session around the link this reply grants; empty, and answered, if that failed.
    std::string adopt(const reply& r);

    connection* who_;  // null once it is gone
    const route& route_;
    std::string method_;
    std::string params_;
    std::shared_ptr<reply_inbox> inbox_;
    log_events log_;
    bool streams_ = false;  // many replies, each given as it comes
    bool sse_ = false;
    bool head_given_ = false;
    bool id_given_ = false;  // an event with an id
    bool over_ = false;
    time_point last_sent_;
};

}  // namespace sigrun::http

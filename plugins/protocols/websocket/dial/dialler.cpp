#include "dial/dialler.hpp"

#include "wire/message.hpp"

#include <boost/beast/http/rfc7230.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <unistd.h>

#include <algorithm>

namespace sigrun::websocket {
namespace {
namespace http = boost::beast::http;
using done_fn = std::function<void(const std::shared_ptr<connection>&, sigrun_result, const std::string&)>;

constexpr std::size_t k_samples = 7;

std::string_view header_of(const connection::http_response& answer, http::field name) {
    const auto value = answer[name];
    return {value.data(), value.size()};
}

bool speaks_sigrun(const connection& peer) {
    return header_of(peer.answer(), http::field::sec_websocket_protocol) == k_subprotocol;
}

bool compresses(const connection& peer) {
    const auto value = peer.answer()[http::field::sec_websocket_extensions];
    return http::ext_list{value}.exists("permessage-deflate");
}

/// Asks for the upgrade over a connection that the host opened.
void ask(const dial_request& request, int fd, const done_fn& done) {
    int family = 0;
    socklen_t size = sizeof family;
    byte_stream::socket_type socket(request.on->context());
    boost::system::error_code ec;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) == 0)
        socket.assign(asio::generic::stream_protocol(family, 0), fd, ec);
    else
        ec = boost::system::error_code(errno, boost::system::system_category());
    if (ec) {
        ::close(fd);
        return done(nullptr, SIGRUN_E_IO, sdk::concat("the connection cannot be used: ", ec.message()));
    }
    auto made = std::make_shared<connection>(request.shared, *request.on, std::move(socket), std::string(), origin{});
    // The connection is not captured by its own callback: that would be a cycle.
    std::weak_ptr<connection> weak = made;
    made->upgrade({request.where.host, request.where.target, request.where.headers, request.offer_deflate},
                  request.deadline,
                  [weak, done](sigrun_result result, const std::string& why) { done(weak.lock(), result, why); });
}

void connect(const dial_request& request, const done_fn& done) {
    const sdk::net_target to{request.where.address, request.where.tls, request.where.tls ? "http/1.1" : "",
                             request.where.options,
                             static_cast<std::uint64_t>(request.deadline.time_since_epoch().count())};
    auto opened = [request, done, counts = counted(request.shared)](sigrun_result result, sdk::net_connection made,
                                                                    std::string why) {
        auto fd = std::make_shared<sdk::dialled_fd>(made.fd);
        request.on->post([request, done, counts, result, fd, why = std::move(why)] {
            result == SIGRUN_OK ? ask(request, fd->release(), done) : done(nullptr, result, why);
        });
    };
    request.dials->dial(to, std::move(opened));
}

/// One detection: lives in the callbacks of its connection until it has answered.
struct detection : std::enable_shared_from_this<detection> {
    core_ptr shared;
    sdk::op op;
    std::shared_ptr<connection> peer;
    std::vector<std::uint64_t> samples;

    void answer_no(const std::string& why, bool reached = true) {
        boost::json::object facts;
        facts["supported"] = false;
        if (!reached) facts["reached"] = false;
        facts["evidence"] = why;
        answer(facts);
    }
    void answer(const boost::json::object& facts) {
        if (op) op.ok(boost::json::serialize(facts));
        if (auto old = std::exchange(peer, nullptr))
            old->on().post([old] { old->end(SIGRUN_E_CANCELLED, close_code::normal, "detection is done"); });
    }
    void next_sample() {
        const auto result = peer->ping([me = shared_from_this()](sigrun_result answer, std::uint64_t rtt_ns) {
            if (answer != SIGRUN_OK)
                return me->answer_no(
                    "the upgrade was answered, but a ping was not: the connection ended or the deadline passed");
            me->samples.push_back(rtt_ns);
            me->samples.size() < k_samples ? me->next_sample() : me->answer_yes();
        });
        if (result < 0) answer_no("the upgrade was answered, but the connection ended before a ping");
    }
    void answer_yes() {
        std::sort(samples.begin(), samples.end());
        boost::json::object facts;
        facts["supported"] = true;
        facts["version"] = k_subprotocol;
        facts["latency_us"] = static_cast<double>(samples[samples.size() / 2]) / 1000.0;
        boost::json::array features;
        if (compresses(*peer)) features.emplace_back("permessage-deflate");
        facts["features"] = std::move(features);
        if (const auto limit = peer->peer_limit()) facts["max_message_bytes"] = limit;
        facts["evidence"] = sdk::concat("the upgrade was answered with sigrun.v1; median of ", samples.size(),
                                        " round trips of pings, least ", samples.front() / 1000, " us");
        answer(facts);
    }
};

}  // namespace

void open_link(const dial_request& request, const sigrun_sink& frames, sigrun_op token, sigrun_link* link) {
    auto host = request.shared->host;
    auto done = [host, token, link, frames](const std::shared_ptr<connection>& made, sigrun_result result,
                                            const std::string& why) {
        if (result == SIGRUN_OK && speaks_sigrun(*made)) {
            link->connection = made;
            made->open_session(frames);
            return host.complete(token, SIGRUN_OK);
        }
        delete link;
        if (result != SIGRUN_OK) return host.complete_text(token, result, why);
        made->end(SIGRUN_E_UNSUPPORTED, close_code::normal, "the subprotocol sigrun.v1 was not agreed on");
        host.complete_text(token, SIGRUN_E_UNSUPPORTED, "the peer speaks WebSocket, but not the subprotocol sigrun.v1");
    };
    connect(request, done);
}

void detect(const dial_request& request, sigrun_op token) {
    auto run = std::make_shared<detection>();
    run->shared = request.shared;
    run->op = sdk::op(request.shared->host, token);
    auto done = [run, deadline = request.deadline](const std::shared_ptr<connection>& made, sigrun_result result,
                                                   const std::string& why) {
        if (result == SIGRUN_E_CANCELLED) return run->op.fail(result, why);
        if (result != SIGRUN_OK) return run->answer_no(why, made != nullptr);
        run->peer = made;
        if (!speaks_sigrun(*made))
            return run->answer_no("the peer speaks WebSocket, but not the subprotocol sigrun.v1");
        made->watch_until(deadline);
        run->next_sample();
    };
    try {
        connect(request, done);
    } catch (...) {
        run->op.forget();  // whoever called gets the reason
        throw;
    }
}

}  // namespace sigrun::websocket

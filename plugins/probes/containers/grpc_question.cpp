#include "grpc_question.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/error.hpp>

#include <nghttp2/nghttp2.h>

#include <array>
#include <charconv>
#include <memory>
#include <string_view>

namespace sigrun::containers {
namespace {

constexpr auto k_with_error = boost::asio::as_tuple(boost::asio::use_awaitable);
constexpr int k_unimplemented = 12;  // grpc-status
constexpr std::size_t k_max_answer = 64 * 1024, k_prefix = 5;
constexpr std::string_view k_no_message{"\0\0\0\0\0", k_prefix};  // not compressed, no bytes

/// What the callbacks of a session collect.
struct conversation {
    std::string body, http_status;
    int grpc_status = -1;
    std::uint32_t closed_with = 0;
    std::size_t sent = 0;
    bool closed = false, too_large = false;
};
conversation& of(void* user) { return *static_cast<conversation*>(user); }
std::string_view view(const std::uint8_t* bytes, std::size_t n) { return {reinterpret_cast<const char*>(bytes), n}; }

int on_header(nghttp2_session*, const nghttp2_frame*, const std::uint8_t* name, std::size_t name_length,
              const std::uint8_t* value, std::size_t value_length, std::uint8_t, void* user) {
    const auto key = view(name, name_length), text = view(value, value_length);
    if (key == ":status") of(user).http_status = text.substr(0, 3);
    if (key == "grpc-status") std::from_chars(text.data(), text.data() + text.size(), of(user).grpc_status);
    return 0;
}
int on_data(nghttp2_session*, std::uint8_t, std::int32_t, const std::uint8_t* bytes, std::size_t n, void* user) {
    auto& c = of(user);
    c.too_large = c.body.size() + n > k_prefix + k_max_answer;
    if (c.too_large) return NGHTTP2_ERR_CALLBACK_FAILURE;
    c.body += view(bytes, n);
    return 0;
}
int on_close(nghttp2_session*, std::int32_t, std::uint32_t code, void* user) {
    of(user).closed = true;
    of(user).closed_with = code;
    return 0;
}
ssize_t give_message(nghttp2_session*, std::int32_t, std::uint8_t* room, std::size_t size, std::uint32_t* flags,
                     nghttp2_data_source*, void* user) {
    auto& c = of(user);
    const auto n = k_no_message.copy(reinterpret_cast<char*>(room), size, c.sent);
    c.sent += n;
    if (c.sent == k_no_message.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(n);
}

using session_ptr = std::unique_ptr<nghttp2_session, decltype(&nghttp2_session_del)>;

session_ptr session_for(conversation& collects) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session* made = nullptr;
    nghttp2_session_client_new(&made, callbacks, &collects);
    nghttp2_session_callbacks_del(callbacks);
    return {made, nghttp2_session_del};
}

void submit(nghttp2_session* session, const std::string& path) {
    const auto header = [](std::string_view name, std::string_view value) {
        const auto bytes = [](std::string_view s) {
            return reinterpret_cast<std::uint8_t*>(const_cast<char*>(s.data()));
        };
        return nghttp2_nv{bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
    };
    const std::array headers{
        header(":method", "POST"),          header(":scheme", "http"), header(":path", path),
        header(":authority", "localhost"),  header("te", "trailers"),  header("content-type", "application/grpc"),
        header("user-agent", "grpc-sigrun")};
    nghttp2_data_provider body{};
    body.read_callback = give_message;
    nghttp2_submit_request(session, nullptr, headers.data(), headers.size(), &body, nullptr);
}

grpc_reply result_of(const conversation& c) {
    grpc_reply out;
    out.status = c.grpc_status;
    if (c.closed_with != NGHTTP2_NO_ERROR)
        out.trouble = std::string("the call was reset: ") + nghttp2_http2_strerror(c.closed_with);
    else if (c.http_status != "200" || c.grpc_status < 0)
        out.trouble = "HTTP/2, but no gRPC: status " + (c.http_status.empty() ? "missing" : c.http_status);
    if (!out.trouble.empty() || c.grpc_status != 0) return out;
    const auto byte = [&c](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(c.body[i])); };
    if (c.body.size() < k_prefix || byte(0) != 0 ||
        (byte(1) << 24 | byte(2) << 16 | byte(3) << 8 | byte(4)) != c.body.size() - k_prefix)
        out.trouble = "the answer is no gRPC message";
    else
        out.message = c.body.substr(k_prefix);
    return out;
}

}  // namespace

boost::asio::awaitable<grpc_reply> ask_grpc(unix_stream& connection, std::vector<std::string> methods) {
    conversation c;
    const session_ptr session = session_for(c);
    nghttp2_submit_settings(session.get(), NGHTTP2_FLAG_NONE, nullptr, 0);
    submit(session.get(), methods.at(0));
    std::array<char, 16 * 1024> room;
    grpc_reply out;
    while (true) {
        if (c.closed) {
            const auto asked = out.method;
            out = result_of(c);
            out.method = asked;
            if (out.status != k_unimplemented || asked + 1 == methods.size()) co_return out;
            c = {};
            submit(session.get(), methods[++out.method]);
        }
        const std::uint8_t* bytes = nullptr;
        ssize_t n = 0;
        while ((n = nghttp2_session_mem_send(session.get(), &bytes)) > 0) {
            const boost::asio::const_buffer all(bytes, static_cast<std::size_t>(n));
            const auto [error, written] = co_await boost::asio::async_write(connection, all, k_with_error);
            if (!error) continue;
            out.trouble = error == boost::beast::error::timeout ? "no answer in time" : error.message();
            co_return out;
        }
        if (!c.closed && !nghttp2_session_want_read(session.get())) {
            out.trouble = "no HTTP/2";
            co_return out;
        }
        const auto into = boost::asio::buffer(room);
        const auto [error, count] = co_await connection.async_read_some(into, k_with_error);
        if (error) {
            out.trouble = error == boost::beast::error::timeout ? "no answer in time" : error.message();
            co_return out;
        }
        const auto taken =
            nghttp2_session_mem_recv(session.get(), reinterpret_cast<const std::uint8_t*>(room.data()), count);
        if (taken < 0) {
            out.trouble = c.too_large ? "the answer is larger than 64 KiB"
                                      : std::string("no HTTP/2: ") + nghttp2_strerror(static_cast<int>(taken));
            co_return out;
        }
    }
}

}  // namespace sigrun::containers

#include "cri.hpp"

#include "grpc_question.hpp"

#include <boost/asio/this_coro.hpp>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <vector>

namespace sigrun::containers {
namespace {

namespace io = google::protobuf::io;
using wire = google::protobuf::internal::WireFormatLite;
constexpr std::size_t k_max_shown = 128;

/// The texts of a message by their field's number; other fields are passed over. False: it is no message.
bool read_texts(std::string_view message, std::map<int, std::string>& out) {
    io::CodedInputStream in(reinterpret_cast<const std::uint8_t*>(message.data()), static_cast<int>(message.size()));
    while (const auto tag = in.ReadTag()) {
        if (wire::GetTagWireType(tag) != wire::WIRETYPE_LENGTH_DELIMITED) {
            if (!wire::SkipField(&in, tag)) return false;
            continue;
        }
        std::uint32_t length = 0;
        std::string text;
        if (!in.ReadVarint32(&length) || length > message.size() || !in.ReadString(&text, static_cast<int>(length)))
            return false;
        out[wire::GetTagFieldNumber(tag)] = std::move(text);
    }
    return in.ConsumedEntireMessage();
}

/// As it is compared: "v1.7.2" is version 1.7.2. Empty: no text that can be shown.
std::string version_in(std::string text) {
    if (text.starts_with('v')) text.erase(0, 1);
    const bool shown = text.size() <= k_max_shown &&
                       std::all_of(text.begin(), text.end(), [](unsigned char c) { return c > ' ' && c < 0x7f; });
    return shown ? text : std::string();
}

}  // namespace

bool read_cri_version(std::string_view message, engine_facts& out) {
    std::map<int, std::string> texts;
    if (!read_texts(message, texts)) return false;
    out.version = version_in(texts[3]);
    out.api = version_in(texts[4]);
    return !out.version.empty();
}

bool read_containerd_version(std::string_view message, engine_facts& out) {
    std::map<int, std::string> texts;
    if (!read_texts(message, texts)) return false;
    out.version = version_in(texts[1]);
    return !out.version.empty();
}

boost::asio::awaitable<engine_answer> ask_cri(int fd, bool containerd, std::chrono::steady_clock::time_point deadline) {
    engine_answer out;
    unix_stream connection(co_await boost::asio::this_coro::executor);
    boost::system::error_code ec;
    connection.socket().assign(boost::asio::local::stream_protocol(), fd, ec);
    if (ec) {
        ::close(fd);
        out.trouble = ec.message();
        co_return out;
    }
    connection.expires_at(deadline);
    std::vector<std::string> methods{"/runtime.v1.RuntimeService/Version"};
    if (containerd) methods.push_back("/containerd.services.version.v1.Version/Version");
    const grpc_reply said = co_await ask_grpc(connection, methods);
    if (!said.trouble.empty())
        out.trouble = "Version: " + said.trouble;
    else if (said.status != 0)
        out.trouble = "Version: gRPC status " + std::to_string(said.status);
    else if (!(said.method ? read_containerd_version : read_cri_version)(said.message, out.facts))
        out.trouble = "Version: expected a message with a version, found something else";
    else
        out.usable = true;
    co_return out;
}

}  // namespace sigrun::containers

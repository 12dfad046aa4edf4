#include "serve/sse.hpp"

#include "wire/text.hpp"

namespace sigrun::http {
namespace {

std::string log_event(std::string_view stream, std::uint64_t offset, std::uint64_t time_ns, std::string_view bytes) {
    std::size_t replaced = 0;
    json_members m;
    m.number("offset", offset);
    m.text("stream", stream);
    m.number("time_ns", time_ns);
    m.text("text", with_valid_utf8(bytes, replaced));
    return sse_event("log", sdk::concat(offset + bytes.size()), m.finish());
}

}  // namespace

std::string sse_event(std::string_view event, std::string_view id, std::string_view data) {
    std::string out;
    if (!event.empty()) out += sdk::concat("event: ", event, "\n");
    if (!id.empty()) out += sdk::concat("id: ", id, "\n");
    std::size_t at = 0;
    for (;;) {
        const auto end = data.find_first_of("\r\n", at);
        out += sdk::concat("data: ", data.substr(at, end == std::string_view::npos ? end : end - at), "\n");
        if (end == std::string_view::npos) break;
        at = end + (data.substr(end, 2) == "\r\n" ? 2 : 1);
    }
    out += '\n';
    return out;
}

std::string log_events::add(std::string_view stream, std::uint64_t offset, std::uint64_t time_ns,
                            std::string_view bytes) {
    std::string out;
    if (!held_.empty() && (stream != stream_ || held_at_ + held_.size() != offset)) out = flush();
    if (held_.empty()) {
        held_at_ = offset;
        held_time_ = time_ns;
    }
    stream_ = stream;
    held_ += bytes;
    const auto tail = unfinished_tail(held_);
    if (tail == held_.size()) return out;
    const auto ready = held_.size() - tail;
    out += log_event(stream_, held_at_, held_time_, std::string_view(held_).substr(0, ready));
    held_.erase(0, ready);
    held_at_ += ready;
    held_time_ = time_ns;
    return out;
}

std::string log_events::flush() {
    if (held_.empty()) return {};
    auto out = log_event(stream_, held_at_, held_time_, held_);
    held_.clear();
    return out;
}

std::string log_events::missing(std::uint64_t offset, std::uint64_t bytes) {
    return flush() + sse_event("missing", sdk::concat(offset + bytes),
                               sdk::concat("{\"offset\":", offset, ",\"missing_bytes\":", bytes, "}"));
}

std::string log_events::end(std::uint64_t offset, std::string_view json) {
    return flush() + sse_event("end", sdk::concat(offset), json.empty() ? std::string_view("{}") : json);
}

}  // namespace sigrun::http

// Server-sent events: framing, and log frames as events. Pure but for the few bytes held between log frames.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sigrun::http {

/// One event. `data` may hold line breaks; empty `event` or `id` are left out.
std::string sse_event(std::string_view event, std::string_view id, std::string_view data);

/// Turns log bytes into `log` events. A UTF-8 sequence cut by the border of two frames of one stream is held
/// back and joined; other invalid bytes become U+FFFD. The id is the offset after the text of the event.
class log_events {
public:
    std::string add(std::string_view stream, std::uint64_t offset, std::uint64_t time_ns, std::string_view bytes);
    /// What is still held, then an event `missing` for bytes that are not kept; its id is the offset after them.
    std::string missing(std::uint64_t offset, std::uint64_t bytes);
    /// What is still held, then the `end` event with `json` as data and the end offset as id.
    std::string end(std::uint64_t offset, std::string_view json);

private:
    std::string flush();
    std::string stream_;
    std::string held_;
    std::uint64_t held_at_ = 0;
    std::uint64_t held_time_ = 0;
};

}  // namespace sigrun::http

// The text of response heads and stream pieces. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sigrun::http {

enum class framing { length, chunked, until_close };

struct response_head {
    int status = 200;
    std::string_view type{};  // empty: no content
    std::string_view date{};
    std::string_view extra{};  // complete header lines
    std::string_view request_id{};
    framing how = framing::length;
    std::size_t length = 0;
    bool http10 = false;
    bool keep_alive = true;
};
void append_head(std::string& out, const response_head& head);
void append_chunk(std::string& out, std::string_view data);  // nothing for no data
inline constexpr std::string_view k_last_chunk = "0\r\n\r\n";

}  // namespace sigrun::http

// Small readers over Boost.JSON objects, for documents whose members are optional.
#pragma once

#include "kernel/base/result.hpp"

#include <boost/json.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace sigrun {
namespace json = boost::json;

/// Parses a document that must be an object; the problem tells the position.
inline result<json::object> parse_object(std::string_view text) {
    boost::system::error_code ec;
    json::parse_options options;
    options.max_depth = 32;
    json::stream_parser parser({}, options);
    std::size_t used = parser.write_some(text.data(), text.size(), ec);
    if (!ec) {
        std::size_t rest = used;
        while (rest < text.size() &&
               (text[rest] == ' ' || text[rest] == '\n' || text[rest] == '\r' || text[rest] == '\t'))
            ++rest;
        if (rest < text.size())
            return bad_value("", "one JSON object", "more text at byte " + std::to_string(rest + 1));
        parser.finish(ec);
    }
    if (ec)
        return bad_value(
            "", "a JSON object",
            text.empty() ? std::string("nothing") : ec.message() + " near byte " + std::to_string(used + 1));
    json::value v = parser.release();
    if (!v.is_object()) return bad_value("", "a JSON object", "another JSON value");
    return std::move(v.as_object());
}

inline std::string_view text_or(const json::object& o, std::string_view key, std::string_view otherwise = {}) {
    const json::value* v = o.if_contains(key);
    return v && v->is_string() ? std::string_view(v->get_string()) : otherwise;
}
template <class Number>
Number number_or(const json::object& o, std::string_view key, Number otherwise) {
    const json::value* v = o.if_contains(key);
    if (!v || !v->is_number()) return otherwise;
    boost::system::error_code ec;
    auto n = v->to_number<Number>(ec);
    return ec ? otherwise : n;
}
inline bool bool_or(const json::object& o, std::string_view key, bool otherwise) {
    const json::value* v = o.if_contains(key);
    return v && v->is_bool() ? v->get_bool() : otherwise;
}
inline const json::object* object_or_null(const json::object& o, std::string_view key) {
    const json::value* v = o.if_contains(key);
    return v ? v->if_object() : nullptr;
}
inline const json::array* array_or_null(const json::object& o, std::string_view key) {
    const json::value* v = o.if_contains(key);
    return v ? v->if_array() : nullptr;
}

}  // namespace sigrun

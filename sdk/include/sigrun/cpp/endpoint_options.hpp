// sigrun/cpp/endpoint_options.hpp: per-endpoint settings: the JSON object in sigrun_endpoint.options. Every key must be known,
// every fault is named. Needs Boost.JSON.
#pragma once

#include <sigrun/cpp/base64.hpp>
#include <sigrun/cpp/duration.hpp>
#include <sigrun/cpp/error.hpp>
#include <sigrun/cpp/text.hpp>

#include <boost/json.hpp>

#include <charconv>
#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <set>
#include <string>
#include <string_view>

namespace sigrun::sdk {

/// Reads keys one by one; the first fault throws sdk::failure(E_CONFIG). finish() refuses keys nobody read.
class endpoint_options {
public:
    explicit endpoint_options(std::string_view json);
    std::string text(std::string_view key, std::string_view otherwise);
    std::string choice(std::string_view key, std::string_view otherwise, std::initializer_list<std::string_view> known);
    std::int64_t integer(std::string_view key, std::int64_t otherwise, std::int64_t min, std::int64_t max);
    std::chrono::nanoseconds duration(std::string_view key, std::chrono::nanoseconds otherwise);
    std::size_t size(std::string_view key, std::size_t otherwise, std::size_t max);
    bool boolean(std::string_view key, bool otherwise);
    void finish() const;

private:
    const boost::json::value* find(std::string_view key);
    [[noreturn]] static void refuse(std::string_view key, std::string_view expected, const boost::json::value& found);
    boost::json::object values_;
    std::set<std::string, std::less<>> read_{"tls"};  // that one is read by the host
};

/// Keys auth (none, bearer, basic, header), token, username, password, header_name, header_value: the
/// complete header line to send with requests, or "".
std::string credentials_header(endpoint_options& options);

namespace detail {

inline bool is_header_text(std::string_view text) {
    for (char c : text)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return false;
    return true;
}
inline bool is_header_name(std::string_view text) {
    for (char c : text) {
        const bool letter = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && std::string_view("!#$%&'*+-.^_`|~").find(c) == std::string_view::npos) return false;
    }
    return !text.empty();
}

}  // namespace detail

inline endpoint_options::endpoint_options(std::string_view text) {
    if (text.empty()) return;
    boost::system::error_code ec;
    auto value = boost::json::parse(text, ec);
    if (ec || !value.is_object()) throw failure(SIGRUN_E_CONFIG, "options: expected a JSON object, found other text");
    values_ = std::move(value.as_object());
}

inline const boost::json::value* endpoint_options::find(std::string_view key) {
    read_.emplace(key);
    const auto* v = values_.if_contains(key);
    return v && !v->is_null() ? v : nullptr;
}

inline void endpoint_options::refuse(std::string_view key, std::string_view expected, const boost::json::value& found) {
    throw failure(SIGRUN_E_CONFIG, concat("options.", key, ": expected ", expected, ", found ",
                                          boost::json::serialize(found).substr(0, 200)));
}

inline std::string endpoint_options::text(std::string_view key, std::string_view otherwise) {
    const auto* v = find(key);
    if (!v) return std::string(otherwise);
    if (!v->is_string()) refuse(key, "text", *v);
    if (!detail::is_header_text(std::string_view(v->get_string()))) refuse(key, "text without control characters", *v);
    return std::string(v->get_string());
}

inline std::string endpoint_options::choice(std::string_view key, std::string_view otherwise,
                                            std::initializer_list<std::string_view> known) {
    auto value = text(key, otherwise);
    std::string all;
    for (auto k : known) {
        if (k == value) return value;
        all += (all.empty() ? "" : ", ") + std::string(k);
    }
    refuse(key, "one of " + all, values_.at(key));
}

inline std::int64_t endpoint_options::integer(std::string_view key, std::int64_t otherwise, std::int64_t min,
                                              std::int64_t max) {
    const auto* v = find(key);
    if (!v) return otherwise;
    std::int64_t n = 0;
    boost::system::error_code ec;
    if (v->is_string()) {  // from an INI file every value is text
        const auto& s = v->get_string();
        const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), n);
        if (error != std::errc() || end != s.data() + s.size()) refuse(key, "a whole number", *v);
    } else {
        if (!v->is_int64() && !v->is_uint64()) refuse(key, "a whole number", *v);
        n = v->to_number<std::int64_t>(ec);
    }
    if (ec || n < min || n > max) refuse(key, concat("a whole number from ", min, " to ", max), *v);
    return n;
}

inline std::chrono::nanoseconds endpoint_options::duration(std::string_view key, std::chrono::nanoseconds otherwise) {
    const auto* v = find(key);
    if (!v) return otherwise;
    const auto parsed = v->is_string() ? parse_duration(std::string_view(v->get_string())) : std::nullopt;
    if (!parsed || parsed->count() <= 0) refuse(key, "a duration such as 30s", *v);
    return *parsed;
}

inline std::size_t endpoint_options::size(std::string_view key, std::size_t otherwise, std::size_t max) {
    const auto* v = find(key);
    if (!v) return otherwise;
    if (!v->is_string()) return static_cast<std::size_t>(integer(key, 0, 1, static_cast<std::int64_t>(max)));
    const auto& s = v->get_string();
    std::uint64_t n = 0;
    const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), n);
    const std::string_view unit(end, static_cast<std::size_t>(s.data() + s.size() - end));
    unsigned shift = 64;
    if (unit.empty() || unit == "B") shift = 0;
    if (unit == "KiB") shift = 10;
    if (unit == "MiB") shift = 20;
    if (unit == "GiB") shift = 30;
    if (error != std::errc() || shift == 64 || n == 0 || n > (max >> shift))
        refuse(key, concat("a size such as 16MiB, at most ", max, " bytes"), *v);
    return static_cast<std::size_t>(n << shift);
}

inline bool endpoint_options::boolean(std::string_view key, bool otherwise) {
    const auto* v = find(key);
    if (!v) return otherwise;
    if (v->is_bool()) return v->get_bool();
    const std::string_view s = v->is_string() ? std::string_view(v->get_string()) : std::string_view();
    if (s == "yes" || s == "true" || s == "on") return true;
    if (s == "no" || s == "false" || s == "off") return false;
    refuse(key, "true or false", *v);
}

inline void endpoint_options::finish() const {
    for (const auto& [key, value] : values_)
        if (!read_.count(std::string_view(key.data(), key.size()))) {
            std::string known;
            for (const auto& k : read_) known += (known.empty() ? "" : ", ") + k;
            throw failure(SIGRUN_E_CONFIG, concat("options.", std::string_view(key.data(), key.size()),
                                                  ": expected one of the keys ", known, ", found an unknown one"));
        }
}

inline std::string credentials_header(endpoint_options& options) {
    const auto auth = options.choice("auth", "none", {"none", "bearer", "basic", "header"});
    const auto token = options.text("token", "");
    const auto username = options.text("username", "");
    const auto password = options.text("password", "");
    const auto name = options.text("header_name", "");
    const auto value = options.text("header_value", "");
    const auto need = [&](const std::string& given, std::string_view key) {
        if (given.empty())
            throw failure(SIGRUN_E_CONFIG,
                          concat("options.", key, ": expected text, as auth is ", auth, ", found none"));
    };
    if (auth == "bearer") {
        need(token, "token");
        return concat("Authorization: Bearer ", token, "\r\n");
    }
    if (auth == "basic") {
        need(username, "username");
        return concat("Authorization: Basic ", to_base64(concat(username, ":", password)), "\r\n");
    }
    if (auth == "header") {
        need(name, "header_name");
        if (!detail::is_header_name(name))
            throw failure(SIGRUN_E_CONFIG, concat("options.header_name: expected a header name, found \"", name, "\""));
        return concat(name, ": ", value, "\r\n");
    }
    return {};
}

}  // namespace sigrun::sdk

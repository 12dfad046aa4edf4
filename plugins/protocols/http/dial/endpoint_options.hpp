// Per-endpoint settings: the JSON object in sigrun_endpoint.options. Every key must be known, every fault is
// named.
#pragma once

#include <boost/json.hpp>

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <set>
#include <string>
#include <string_view>

namespace sigrun::http {

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

}  // namespace sigrun::http

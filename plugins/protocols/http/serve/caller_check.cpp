#include "serve/caller_check.hpp"

#include "serve/request_check.hpp"

namespace sigrun::http {
namespace {

std::vector<std::string_view> all(const boost::beast::http::fields& head, boost::beast::string_view name) {
    std::vector<std::string_view> values;
    const auto found = head.equal_range(name);
    for (auto it = found.first; it != found.second; ++it) values.push_back(sv(it->value()));
    return values;
}

}  // namespace

std::optional<refused_caller> check_caller(const boost::beast::http::fields& head, const host_rule& rule) {
    sdk::caller_headers sent;
    if (const auto host = head.find(boost::beast::http::field::host); host != head.end()) sent.host = sv(host->value());
    sent.origins = all(head, "Origin");
    sent.fetch_sites = all(head, "Sec-Fetch-Site");
    return sdk::check_caller(sent, rule);
}

}  // namespace sigrun::http

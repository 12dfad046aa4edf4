#include "kernel/base/problem.hpp"

#include <sigrun/cpp/text.hpp>

#include <boost/json.hpp>

#include <array>

namespace sigrun {
namespace json = boost::json;

namespace {
struct code_name {
    errc code;
    std::string_view name;
    sigrun_result abi;
};
constexpr std::array<code_name, 14> k_codes{{
    {errc::invalid, "invalid", SIGRUN_E_INVALID},
    {errc::unknown_field, "unknown_field", SIGRUN_E_INVALID},
    {errc::not_found, "not_found", SIGRUN_E_NOT_FOUND},
    {errc::conflict, "conflict", SIGRUN_E_EXISTS},
    {errc::unauthenticated, "unauthenticated", SIGRUN_E_DENIED},
    {errc::forbidden, "forbidden", SIGRUN_E_DENIED},
    {errc::too_large, "too_large", SIGRUN_E_INVALID},
    {errc::busy, "busy", SIGRUN_E_BUSY},
    {errc::timeout, "timeout", SIGRUN_E_TIMEOUT},
    {errc::cancelled, "cancelled", SIGRUN_E_CANCELLED},
    {errc::unsupported, "unsupported", SIGRUN_E_UNSUPPORTED},
    {errc::unavailable, "unavailable", SIGRUN_E_IO},
    {errc::io, "io", SIGRUN_E_IO},
    {errc::internal, "internal", SIGRUN_E_INTERNAL},
}};

std::string text_member(const json::object& o, std::string_view key) {
    auto* v = o.if_contains(key);
    return v && v->is_string() ? std::string(v->as_string()) : std::string();
}
}  // namespace

std::string_view to_string(errc code) noexcept { return k_codes[static_cast<std::size_t>(code)].name; }

std::string problem::text() const {
    std::string out = field;
    if (!out.empty()) out += ": ";
    if (expected.empty()) return out + message;
    std::string comparison = "expected " + expected;
    if (!found.empty()) comparison += ", found " + found;
    // The usual complaints say nothing that field, expected and found do not.
    bool usual = message == "wrong value" || message.rfind("unknown ", 0) == 0;
    return usual ? out + comparison : out + message + " (" + comparison + ")";
}

std::string problem::to_json() const {
    json::object o{{"code", to_string(code)}, {"title", message}, {"detail", text()}};
    if (!field.empty()) o["field"] = field;
    if (!expected.empty()) o["expected"] = expected;
    if (!found.empty()) o["found"] = found;
    if (retry_after_ms) o["retry_after_ms"] = retry_after_ms;
    auto out = json::serialize(o);
    // `found` may be a quotation that was cut within a character; protocols refuse what is not UTF-8.
    for (std::size_t at = 0; (at += sdk::utf8_prefix(std::string_view(out).substr(at))) < out.size();) out[at] = '?';
    return out;
}

problem problem::from_json(std::string_view text) {
    boost::system::error_code ec;
    auto value = json::parse(text, ec);
    // A failure document of an executor has a "class"; it stays whole, as the message.
    if (ec || !value.is_object() || !value.as_object().contains("code") || value.as_object().contains("class"))
        return {errc::internal, text.empty() ? "no reason given" : std::string(text)};
    const auto& o = value.as_object();
    problem p;
    auto name = text_member(o, "code");
    for (const auto& c : k_codes)
        if (c.name == name) p.code = c.code;
    p.message = text_member(o, "title");
    p.field = text_member(o, "field");
    p.expected = text_member(o, "expected");
    p.found = text_member(o, "found");
    if (auto* v = o.if_contains("retry_after_ms")) {
        auto n = v->to_number<std::uint32_t>(ec);
        if (!ec) p.retry_after_ms = n;
    }
    return p;
}

problem problem::from_abi(sigrun_result result, std::string_view text) {
    if (!text.empty() && text.front() == '{') return from_json(text);
    problem p;
    p.message = text.empty() ? "no reason given" : std::string(text);
    for (const auto& c : k_codes)
        if (c.abi == result) {
            p.code = c.code;
            break;
        }
    if (result == SIGRUN_E_CONFIG) p.code = errc::invalid;
    if (result == SIGRUN_E_FENCED) p.code = errc::forbidden;  // a newer owner exists
    return p;
}

sigrun_result problem::to_abi() const noexcept { return k_codes[static_cast<std::size_t>(code)].abi; }

}  // namespace sigrun

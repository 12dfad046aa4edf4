#include "serve/params.hpp"

#include "wire/text.hpp"

#include <charconv>
#include <vector>

namespace sigrun::http {
namespace {

std::optional<std::string> as_json(const param& p, std::string_view value, problem& why) {
    const auto refuse = [&](std::string_view expected) {
        why = {"invalid", "wrong value", std::string(p.name), std::string(expected), shown(value)};
        return std::nullopt;
    };
    if (!is_utf8(value)) return refuse("UTF-8 text");
    if (p.type == kind::text) return json_string(value);
    if (p.type == kind::integer) {
        std::uint64_t n = 0;
        const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), n);
        if (error != std::errc() || end != value.data() + value.size()) return refuse("a whole number");
        return sdk::concat(n);
    }
    if (value.empty() || value == "true" || value == "1" || value == "yes") return "true";
    if (value == "false" || value == "0" || value == "no") return "false";
    return refuse("true or false");
}

bool knows(const route& r, std::string_view query_key) {
    for (const auto& p : r.params)
        if (p.from == source::query && p.name == query_key) return true;
    return false;
}

}  // namespace

std::optional<std::string> form_params(const route_match& match, const target& where, const header_lookup& headers,
                                       problem& why) {
    for (const auto& [key, value] : where.query)
        if (!knows(*match.what, key)) {
            std::string known;
            for (const auto& p : match.what->params)
                if (p.from == source::query) known += (known.empty() ? "" : ", ") + std::string(p.name);
            why = {"unknown_field", "unknown query key", shown(key),
                   known.empty() ? std::string("no query") : "one of " + known, shown(key)};
            return std::nullopt;
        }
    json_members out;
    std::vector<std::string_view> given;
    std::size_t variable = 0;
    for (const auto& p : match.what->params) {
        std::optional<std::string_view> value;
        if (p.from == source::path) {
            value = match.variables[variable++];
        } else if (p.from == source::query) {
            if (const auto* text = where.find(p.name)) value = *text;
        } else {
            value = headers(p.name);
        }
        if (!value) continue;
        auto text = as_json(p, *value, why);
        if (!text) return std::nullopt;
        if (p.to.empty() || std::find(given.begin(), given.end(), p.to) != given.end()) continue;
        given.push_back(p.to);
        out.raw(p.to, *text);
    }
    return out.empty() ? std::string() : out.finish();
}

}  // namespace sigrun::http

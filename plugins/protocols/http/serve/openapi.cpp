#include "serve/openapi.hpp"

#include "serve/routes.hpp"
#include "version.hpp"

#include <boost/json.hpp>

namespace sigrun::http {
namespace {
namespace json = boost::json;

json::string_view jv(std::string_view s) { return {s.data(), s.size()}; }

json::object parameter(const param& p) {
    constexpr std::string_view places[] = {"path", "query", "header"};
    constexpr std::string_view types[] = {"string", "integer", "boolean"};
    json::object out{{"name", jv(p.name)},
                     {"in", jv(places[static_cast<int>(p.from)])},
                     {"schema", {{"type", jv(types[static_cast<int>(p.type)])}}}};
    if (p.from == source::path) out["required"] = true;
    if (!p.doc.empty()) out["description"] = jv(p.doc);
    return out;
}

json::object media(std::string_view type) {
    json::object out;
    out[jv(type)] = json::object();
    return out;
}

json::object content_of(answer replies) {
    switch (replies) {
        case answer::text_payload: return media("text/plain");
        case answer::file: return media("application/octet-stream");
        case answer::events: return media("text/event-stream");
        case answer::call: return media("application/x-ndjson");
        case answer::bytes: return media("application/octet-stream");
        case answer::logs: {
            auto both = media("text/plain");
            both["text/event-stream"] = json::object();
            return both;
        }
        default: return media("application/json");
    }
}

json::object operation(const route& r) {
    json::object success{{"description", jv(r.doc)}};
    if (r.success != 204) success["content"] = content_of(r.replies);
    json::object responses;
    responses[std::to_string(r.success)] = std::move(success);
    responses["default"] = {{"description", "a problem"}, {"content", media("application/problem+json")}};
    json::object out{{"summary", jv(r.doc)}, {"responses", std::move(responses)}};
    if (!r.method.empty()) out["operationId"] = jv(r.method);
    if (!r.params.empty()) {
        json::array parameters;
        for (const auto& p : r.params) parameters.push_back(parameter(p));
        out["parameters"] = std::move(parameters);
    }
    if (r.takes == body::json) out["requestBody"] = {{"content", media("application/json")}};
    return out;
}

std::string lower(std::string_view verb) {
    std::string out(verb);
    for (char& c : out) c = static_cast<char>(c | 0x20);
    return out;
}

}  // namespace

std::string openapi_document() {
    json::object paths;
    for (const auto& r : routes()) {
        // A variable for the rest of a path is nothing that OpenAPI knows; its name is that of the parameter.
        std::string pattern(r.pattern);
        if (const auto dots = pattern.find("...}"); dots != std::string::npos) pattern.erase(dots, 3);
        auto& path = paths[jv(pattern)];
        if (!path.is_object()) path.emplace_object();
        path.as_object()[lower(r.verb)] = operation(r);
    }
    json::object document{
        {"openapi", "3.1.0"}, {"info", {{"title", "Sigrun"}, {"version", k_version}}}, {"paths", std::move(paths)}};
    return json::serialize(document);
}

std::string index_document() {
    json::array items;
    for (const auto& r : routes())
        items.push_back(json::object{{"verb", jv(r.verb)}, {"path", jv(r.pattern)}, {"doc", jv(r.doc)}});
    return json::serialize(
        json::object{{"name", "Sigrun"}, {"openapi", "/v1/openapi.json"}, {"routes", std::move(items)}});
}

}  // namespace sigrun::http

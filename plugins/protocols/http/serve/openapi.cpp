#include "serve/openapi.hpp"

#include "serve/openapi_schemas.hpp"
#include "serve/routes.hpp"
#include "version.hpp"

#include <boost/json.hpp>

#include <set>

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

json::object reference(std::string_view where, std::string_view name) {
    return {{"$ref", "#/components/" + std::string(where) + "/" + std::string(name)}};
}

json::object media(std::string_view type, json::object schema = {}) {
    json::object out, described;
    if (!schema.empty()) described["schema"] = std::move(schema);
    out[jv(type)] = std::move(described);
    return out;
}
json::object text_media(std::string_view type) { return media(type, {{"type", "string"}}); }

/// The schema of that name; any object if it has none.
json::object schema_of(std::string_view name) {
    return name.empty() ? json::object{{"type", "object"}} : reference("schemas", name);
}

json::object content_of(const route& r) {
    switch (r.replies) {
        case answer::text_payload: return text_media("text/plain");
        case answer::file: return media("application/octet-stream");
        case answer::events: return text_media("text/event-stream");
        case answer::call: return text_media("application/x-ndjson");
        case answer::bytes: return media("application/octet-stream");
        case answer::asset: return text_media("text/javascript");
        case answer::logs: {
            auto both = text_media("text/plain");
            both["text/event-stream"] = json::object{{"schema", {{"type", "string"}}}};
            return both;
        }
        default: return media("application/json", schema_of(documents_of(r.method).gives));
    }
}

json::object success_of(const route& r) {
    json::object out{{"description", jv(r.doc)}, {"headers", {{"X-Request-Id", reference("headers", "RequestId")}}}};
    if (r.success != 204) out["content"] = content_of(r);
    return out;
}

/// Names of operations must differ; where a method has two routes, the second is called after its variable.
std::string operation_id(const route& r, std::set<std::string>& taken) {
    std::string name(r.method);
    if (r.method.empty()) {
        name = std::string(r.verb) + std::string(r.pattern);
        for (char& c : name)
            if (c == '/' || c == '{' || c == '}' || c == '.') c = '_';
    }
    if (taken.contains(name)) {
        const auto open = r.pattern.find('{');
        name += "_by_" + (open == std::string_view::npos
                              ? std::string("itself")
                              : std::string(r.pattern.substr(open + 1, r.pattern.find('}') - open - 1)));
    }
    taken.insert(name);
    return name;
}

json::object operation(const route& r, std::set<std::string>& names) {
    json::object responses;
    responses[std::to_string(r.success)] = success_of(r);
    // With an idempotency key that was known.
    if (r.method == "jobs.submit") responses["200"] = success_of(r);
    responses["default"] = reference("responses", "Problem");
    const auto dot = r.method.find('.');
    json::object out{
        {"operationId", operation_id(r, names)},
        {"summary", jv(r.doc)},
        {"tags", json::array{r.method.empty() ? json::string("protocol") : json::string(jv(r.method.substr(0, dot)))}},
        {"responses", std::move(responses)}};
    if (!r.method.empty()) out["x-sigrun-method"] = jv(r.method);
    json::array parameters{reference("parameters", "RequestId")};
    for (const auto& p : r.params) parameters.push_back(parameter(p));
    out["parameters"] = std::move(parameters);
    if (r.takes == body::json)
        out["requestBody"] = {{"content", media("application/json", schema_of(documents_of(r.method).takes))}};
    return out;
}

json::object components() {
    auto schemas = json::parse(jv(k_openapi_schemas)).as_object();
    const json::object id_text{{"type", "string"}, {"maxLength", 128}};
    return {
        {"schemas", std::move(schemas)},
        {"responses",
         {{"Problem",
           {{"description", "a problem; `code` is stable, the texts are for people"},
            {"headers", {{"X-Request-Id", reference("headers", "RequestId")}}},
            {"content", media("application/problem+json", reference("schemas", "Problem"))}}}}},
        {"headers", {{"RequestId", {{"description", "names the request in logs and problems"}, {"schema", id_text}}}}},
        {"parameters",
         {{"RequestId",
           {{"name", "X-Request-Id"},
            {"in", "header"},
            {"description", "a name for this request; made up if there is none"},
            {"schema", id_text}}}}},
        {"securitySchemes", {{"token", {{"type", "http"}, {"scheme", "bearer"}}}}}};
}

std::string lower(std::string_view verb) {
    std::string out(verb);
    for (char& c : out) c = static_cast<char>(c | 0x20);
    return out;
}

}  // namespace

std::string openapi_document() {
    json::object paths;
    std::set<std::string> names;
    for (const auto& r : routes()) {
        // A variable for the rest of a path is nothing that OpenAPI knows; its name is that of the parameter.
        std::string pattern(r.pattern);
        if (const auto dots = pattern.find("...}"); dots != std::string::npos) pattern.erase(dots, 3);
        auto& path = paths[jv(pattern)];
        if (!path.is_object()) path.emplace_object();
        path.as_object()[lower(r.verb)] = operation(r, names);
    }
    // A token is needed with [auth] required = yes alone, and not over trusted connections.
    json::object document{
        {"openapi", "3.1.0"},
        {"info",
         {{"title", "Sigrun"}, {"version", k_version}, {"summary", "Jobs on runners that speak different protocols"}}},
        {"servers", json::array{json::object{{"url", "/"}}}},
        {"security", json::array{json::object{{"token", json::array{}}}, json::object{}}},
        {"paths", std::move(paths)},
        {"components", components()}};
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

#include "engine.hpp"

#include <boost/json.hpp>

#include <algorithm>

namespace sigrun::containers {
namespace {

namespace json = boost::json;

constexpr std::size_t k_max_text = 128, k_max_runtimes = 16;

std::optional<json::object> parsed(std::string_view body) {
    boost::system::error_code ec;
    auto v = json::parse(json::string_view(body.data(), body.size()), ec);
    if (ec || !v.is_object()) return std::nullopt;
    return std::move(v.get_object());
}

/// Printable text of a sensible length, or nothing.
std::string text(const json::object& o, std::string_view name) {
    const auto* v = o.if_contains(json::string_view(name.data(), name.size()));
    const auto* s = v ? v->if_string() : nullptr;
    if (!s || s->size() > k_max_text) return {};
    for (char c : *s)
        if (c < ' ' || c > '~') return {};
    return std::string(s->data(), s->size());
}

}  // namespace

bool read_version(std::string_view body, engine_facts& out) {
    const auto o = parsed(body);
    if (!o || text(*o, "Version").empty()) return false;
    out.version = text(*o, "Version");
    out.api = text(*o, "ApiVersion");
    const auto* parts = o->if_contains("Components");
    if (const auto* list = parts ? parts->if_array() : nullptr)
        for (const auto& part : *list)
            if (const auto* p = part.if_object(); p && text(*p, "Name") == "Podman Engine") out.name = "podman";
    return true;
}

void read_info(std::string_view body, engine_facts& out) {
    const auto o = parsed(body);
    if (!o) return;
    out.cgroup_driver = text(*o, "CgroupDriver");
    out.storage_driver = text(*o, "Driver");
    const auto* runtimes = o->if_contains("Runtimes");
    if (const auto* names = runtimes ? runtimes->if_object() : nullptr)
        for (const auto& r : *names)
            if (out.oci_runtimes.size() < k_max_runtimes && r.key().size() <= k_max_text)
                out.oci_runtimes.emplace_back(r.key().data(), r.key().size());
    const auto* options = o->if_contains("SecurityOptions");
    if (const auto* list = options ? options->if_array() : nullptr)
        out.rootless = std::any_of(list->begin(), list->end(), [](const json::value& v) {
            const auto* s = v.if_string();
            return s && (*s == "name=rootless" || s->starts_with("name=rootless,"));
        });
}

}  // namespace sigrun::containers

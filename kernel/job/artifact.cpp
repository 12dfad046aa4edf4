#include "kernel/job/artifact.hpp"

#include "kernel/guard/sha256.hpp"

#include <sigrun/cpp/text.hpp>

#include <limits>
#include <set>

namespace sigrun {
namespace {

constexpr std::size_t k_longest_name = 255;

problem bad_path(const std::string& field, std::string_view found) {
    return bad_value(field, "a path below the working directory, such as build/*.bin",
                     "\"" + std::string(found.substr(0, 60)) + "\"");
}

result<artifact_wish> parse_wish(const json::value& v, const std::string& field) {
    artifact_wish wish;
    if (v.is_string()) {
        wish.path = v.get_string();
        if (!is_artifact_name(wish.path)) return bad_path(field, wish.path);
        return wish;
    }
    const auto* o = v.if_object();
    if (!o)
        return bad_value(field, "a path, or an object with path, name and optional", json::serialize(v).substr(0, 60));
    for (const auto& [key, x] : *o) {
        const auto inner = field + "." + std::string(key);
        if (key == "optional") {
            if (!x.is_bool()) return bad_value(inner, "true or false", "something else");
            wish.optional = x.get_bool();
        } else if (key == "path" || key == "name") {
            if (!x.is_string()) return bad_value(inner, "a text", "something else");
            auto& into = key == "path" ? wish.path : wish.name;
            into = x.get_string();
            if (!is_artifact_name(into))
                return key == "path" ? bad_path(inner, into)
                                     : bad_value(inner, "1 to 255 bytes without empty parts, \".\" or \"..\"",
                                                 "\"" + into.substr(0, 60) + "\"");
        } else {
            return problem{errc::unknown_field, "unknown field", inner, "path, name or optional",
                           "\"" + std::string(key) + "\""};
        }
    }
    if (wish.path.empty()) return bad_value(field + ".path", "a path", "nothing");
    if (!wish.name.empty() && wish.has_wildcards())
        return bad_value(field + ".name", "none: a path with wildcards may lead to several files",
                         "\"" + wish.name + "\"");
    return wish;
}

}  // namespace

bool is_artifact_name(std::string_view name) noexcept {
    if (name.empty() || name.size() > k_longest_name || !sdk::is_utf8(name)) return false;
    for (const char c : name)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '\\') return false;
    for (;;) {
        const auto end = name.find('/');
        const auto part = name.substr(0, end);
        if (part.empty() || part == "." || part == "..") return false;
        if (end == std::string_view::npos) return true;
        name.remove_prefix(end + 1);
    }
}

result<std::vector<artifact_wish>> parse_artifact_wishes(const json::value& field) {
    const auto* list = field.if_array();
    if (!list) return bad_value("artifacts", "an array of paths", "something else");
    if (list->size() > k_most_artifacts)
        return problem{errc::too_large, "too many", "artifacts", sdk::concat("at most ", k_most_artifacts),
                       std::to_string(list->size())};
    std::vector<artifact_wish> wishes;
    for (const auto& each : *list) {
        SIGRUN_TRY(wish, parse_wish(each, sdk::concat("artifacts[", wishes.size(), "]")));
        wishes.push_back(std::move(wish));
    }
    return wishes;
}

std::uint64_t size_of(const artifact_list& all) noexcept {
    constexpr auto k_most = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t sum = 0;
    for (const auto& each : all) sum = each.size > k_most - sum ? k_most : sum + each.size;
    return sum;
}

json::array to_json(const artifact_list& all) {
    json::array out;
    out.reserve(all.size());
    for (const auto& each : all)
        out.push_back(json::object{{"name", each.name}, {"size", each.size}, {"sha256", each.sha256}});
    return out;
}

result<artifact_list> parse_artifacts(const json::array& all) {
    if (all.size() > k_most_artifacts)
        return problem{errc::too_large, "too many", "artifacts", sdk::concat("at most ", k_most_artifacts),
                       std::to_string(all.size())};
    artifact_list out;
    std::set<std::string, std::less<>> names;
    for (const auto& each : all) {
        const auto field = sdk::concat("artifacts[", out.size(), "]");
        const auto* o = each.if_object();
        if (!o) return bad_value(field, "an object", "something else");
        artifact a{std::string(text_or(*o, "name")), number_or<std::uint64_t>(*o, "size", 0),
                   std::string(text_or(*o, "sha256"))};
        const auto* size = o->if_contains("size");
        if (!size || !size->is_number()) return bad_value(field + ".size", "a number of bytes", "something else");
        if (!is_artifact_name(a.name)) return bad_value(field + ".name", "a relative path", "something else");
        if (!is_sha256_hex(a.sha256)) return bad_value(field + ".sha256", "64 hex digits", "something else");
        if (!names.insert(a.name).second)
            return bad_value(field + ".name", "each name once", "\"" + a.name + "\" again");
        out.push_back(std::move(a));
    }
    return out;
}

}  // namespace sigrun

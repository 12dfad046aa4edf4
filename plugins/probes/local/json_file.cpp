#include "declaration.hpp"
#include "schema.hpp"

#include <boost/json.hpp>

#include <algorithm>

namespace sigrun::local {
namespace {

namespace json = boost::json;

constexpr std::size_t k_max_items = 1024;

std::string shown(const json::value& v) {
    if (const auto* a = v.if_array()) return "a list of " + std::to_string(a->size());
    if (const auto* o = v.if_object()) return "an object of " + std::to_string(o->size());
    return v.is_string() ? quoted(std::string_view(v.get_string())) : json::serialize(v);
}

bool is_text(const json::value& v) noexcept { return v.is_string() && v.get_string().size() <= k_max_text; }

bool has_type(char type, const json::value& v) {
    switch (type) {
        case 'b': return v.is_bool();
        case 'u': return v.is_uint64() || (v.is_int64() && v.get_int64() >= 0);
        case 'i': return v.is_int64();
        case 'f': return v.is_number();
        case 'S': {
            const auto* a = v.if_array();
            return a && a->size() <= k_max_items && std::all_of(a->begin(), a->end(), is_text);
        }
        default: return is_text(v) && !v.get_string().empty();
    }
}

/// A scalar.
bool plain(const json::value& v) { return v.is_bool() || v.is_number() || is_text(v); }

std::optional<mistake> check_records(std::string_view key, const json::value& v) {
    const auto* list = v.if_array();
    if (!list || list->size() > k_max_items) return mistake{0, std::string(key), "a list of records", shown(v)};
    for (std::size_t i = 0; i < list->size(); ++i) {
        const std::string where = std::string(key) + "[" + std::to_string(i) + "]";
        const auto* record = (*list)[i].if_object();
        if (!record) return mistake{0, where, "a record", shown((*list)[i])};
        for (const auto& member : *record) {
            const std::string_view name(member.key().data(), member.key().size());
            const char type = member_type(key, name);
            if (!type) return mistake{0, where, "members that such a record has", quoted(name)};
            if (!has_type(type, member.value()))
                return mistake{0, where + "." + std::string(name), std::string(type_name(type)), shown(member.value())};
        }
    }
    return std::nullopt;
}

/// custom.*: a scalar, a list of them, or a list of records of them.
std::optional<mistake> check_custom(std::string_view key, const json::value& v) {
    const auto item = [](const json::value& i) {
        const auto* o = i.if_object();
        return plain(i) || (o && o->size() <= k_max_items && std::all_of(o->begin(), o->end(), [](const auto& member) {
                                return plain(member.value());
                            }));
    };
    const auto* list = v.if_array();
    if (plain(v) || (list && list->size() <= k_max_items && std::all_of(list->begin(), list->end(), item)))
        return std::nullopt;
    return mistake{0, std::string(key), "true, false, a number, a text, or a list of them or of records", shown(v)};
}

std::optional<mistake> check_value(std::string_view key, const json::value& v) {
    const char type = key_type(key);
    if (!type) return check_custom(key, v);
    // Only arrays of the schema have members that are known: lists such as cpu.kinds are free in theirs.
    if (type == 'L') return key.find('.') == key.npos ? check_records(key, v) : check_custom(key, v);
    if (has_type(type, v)) return std::nullopt;
    return mistake{0, std::string(key), std::string(type_name(type)), shown(v)};
}

}  // namespace

declared_file parse_json(std::string_view text) {
    declared_file out;
    const auto refuse = [&](mistake m) {
        out = {};
        out.wrong = std::move(m);
        return out;
    };
    json::parser parser;
    boost::system::error_code ec;
    const auto read = parser.write_some(text.data(), text.size(), ec);
    const auto rest = text.substr(std::min(read, text.size()));
    if (!ec && rest.find_first_not_of(" \t\r\n") != rest.npos) ec = json::error::extra_data;
    if (ec) {
        const auto line =
            1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(std::min(read, text.size())), '\n');
        return refuse({static_cast<std::size_t>(line), "", "JSON", ec.message() + " at " + quoted(rest.substr(0, 20))});
    }
    const json::value document = parser.release();
    const auto* top = document.if_object();
    if (!top) return refuse({0, "", R"({"facts": {...}})", shown(document)});
    for (const auto& member : *top) {
        if (member.key() == "expires") {
            const auto* at = member.value().if_string();
            out.expires_s = at ? parse_time(std::string_view(*at)) : std::nullopt;
            if (!out.expires_s)
                return refuse(
                    {0, "expires", "a time such as 2027-01-31 or 2027-01-31T12:00:00Z", shown(member.value())});
        } else if (member.key() != "facts") {
            return refuse({0, "", "the members expires and facts",
                           quoted(std::string_view(member.key().data(), member.key().size()))});
        }
    }
    const auto* facts = top->if_contains("facts");
    if (!facts || !facts->is_object()) return refuse({0, "facts", "an object", facts ? shown(*facts) : "nothing"});
    if (facts->get_object().size() > k_max_facts_of_file)
        return refuse({0, "facts", "at most " + std::to_string(k_max_facts_of_file) + " facts", shown(*facts)});
    for (const auto& member : facts->get_object()) {
        const std::string_view key(member.key().data(), member.key().size());
        if (auto wrong = check_key(key)) return refuse(std::move(*wrong));
        if (auto wrong = check_value(key, member.value())) return refuse(std::move(*wrong));
        out.facts.push_back({std::string(key), json::serialize(member.value())});
    }
    return out;
}

}  // namespace sigrun::local

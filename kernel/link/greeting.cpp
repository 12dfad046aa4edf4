#include "kernel/link/greeting.hpp"

#include <algorithm>

namespace sigrun {
namespace {

constexpr std::size_t k_max_labels = 64;
constexpr std::size_t k_max_inventory = 4096;
constexpr std::size_t k_max_kinds = 64;

}  // namespace

bool valid_runner_name(std::string_view name) noexcept {
    auto good = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
               c == '-';
    };
    return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), good);
}

result<std::vector<inventory_item>> parse_inventory(const json::object& o) {
    std::vector<inventory_item> out;
    const auto* list = array_or_null(o, "inventory");
    if (!list) return out;
    if (list->size() > k_max_inventory)
        return problem{errc::too_large, "too many attempts", "inventory", "at most 4096", std::to_string(list->size())};
    for (const auto& v : *list) {
        const auto* item = v.if_object();
        if (!item) return bad_value("inventory", "objects", json::serialize(v).substr(0, 80));
        inventory_item i;
        i.job = text_or(*item, "job");
        i.token = text_or(*item, "token");
        i.state = text_or(*item, "state");
        i.attempt = number_or<std::uint32_t>(*item, "attempt", 0);
        i.log_bytes = number_or<std::uint64_t>(*item, "log_bytes", 0);
        i.waits_to_start = !bool_or(*item, "begun", true);
        if (i.job.empty() || i.token.empty())
            return bad_value("inventory", "job and token in each item", json::serialize(v).substr(0, 80));
        out.push_back(std::move(i));
    }
    return out;
}

std::optional<std::vector<std::string>> parse_kinds(const json::object& o) {
    const auto* list = array_or_null(o, "kinds");
    if (!list) return std::nullopt;
    std::vector<std::string> kinds;
    for (const auto& k : *list)
        if (k.is_string() && kinds.size() < k_max_kinds) kinds.emplace_back(k.get_string());
    return kinds;
}

result<greeting> parse_greeting(std::string_view text) {
    SIGRUN_TRY(o, parse_object(text));
    greeting g;
    g.name = text_or(o, "name");
    g.key = text_or(o, "key");
    g.session = text_or(o, "session");
    g.version = text_or(o, "version");
    g.process = std::string(text_or(o, "process")).substr(0, 64);
    g.generation = number_or<std::uint64_t>(o, "generation", 1);
    g.moving = bool_or(o, "moving", false);
    if (!valid_runner_name(g.name))
        return bad_value("name", "1 to 64 letters, digits, dots, dashes or underscores",
                         "\"" + g.name.substr(0, 80) + "\"");
    if (g.key.size() < 16 || g.key.size() > 128)
        return bad_value("key", "a secret of 16 to 128 characters", std::to_string(g.key.size()) + " characters");
    auto slots = number_or<std::int64_t>(o, "slots", 0);
    if (slots < 1 || slots > 65535) return bad_value("slots", "a number from 1 to 65535", std::to_string(slots));
    g.slots = static_cast<std::uint16_t>(slots);
    if (const auto* labels = object_or_null(o, "labels")) {
        if (labels->size() > k_max_labels)
            return problem{errc::too_large, "too many labels", "labels", "at most 64", std::to_string(labels->size())};
        for (const auto& [k, v] : *labels) {
            if (!v.is_string() || v.get_string().size() > 256 || k.size() > 128)
                return bad_value("labels." + std::string(k), "a text of at most 256 bytes",
                                 json::serialize(v).substr(0, 80));
            g.labels[std::string(k)] = std::string(v.get_string());
        }
    }
    if (auto kinds = parse_kinds(o)) g.kinds = std::move(*kinds);
    SIGRUN_TRY(facts, parse_told_facts(o));
    g.facts = std::move(facts);
    SIGRUN_TRY(inventory, parse_inventory(o));
    g.inventory = std::move(inventory);
    return g;
}

json::array to_json(const std::vector<inventory_item>& items, const std::vector<verdict>& verdicts) {
    static constexpr std::string_view names[] = {"keep", "report", "kill", "forget"};
    json::array out;
    for (std::size_t i = 0; i < items.size(); ++i)
        out.push_back(json::object{{"job", items[i].job},
                                   {"attempt", items[i].attempt},
                                   {"verdict", names[verdicts[i].kind]},
                                   {"log_offset", verdicts[i].log_offset}});
    return out;
}

}  // namespace sigrun

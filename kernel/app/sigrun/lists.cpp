#include "kernel/app/sigrun/lists.hpp"

#include "kernel/config/settings.hpp"

namespace sigrun::cli {

json::object list_all(context& ctx, std::string_view method, json::object params) {
    json::array items;
    json::value reason;
    for (;;) {
        json::object page = ctx.daemon().call_object(method, params);
        const json::array* found = array_or_null(page, "items");
        if (found) items.insert(items.end(), found->begin(), found->end());
        if (const json::value* why = page.if_contains("reason")) reason = *why;
        const json::value* next = page.if_contains("next");
        if (!found || found->empty() || !next || !next->is_string()) break;
        params["cursor"] = *next;
    }
    json::object all{{"items", std::move(items)}};
    if (!reason.is_null()) all["reason"] = std::move(reason);
    return all;
}

failure not_found_among(context& ctx, const problem& what, const std::string& name, std::string_view noun,
                        std::string_view method, std::string_view member) {
    std::vector<std::string> names;
    const json::object all = list_all(ctx, method, {});
    for (const auto& item : all.at("items").as_array())
        if (const json::object* one = item.if_object()) names.emplace_back(text_or(*one, member));
    std::string hint;
    if (const std::string near = nearest_name(name, names); !near.empty()) {
        hint = "did you mean \"" + near + "\"?";
    } else if (names.empty()) {
        hint = "there is no " + std::string(noun) + " at all";
    } else {
        hint = "there is";
        for (std::size_t i = 0; i < names.size() && i < 8; ++i) hint += (i ? ", " : " ") + names[i];
        if (names.size() > 8) hint += " and " + std::to_string(names.size() - 8) + " more";
    }
    return failure(what, hint);
}

}  // namespace sigrun::cli

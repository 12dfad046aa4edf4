// What exports read of a document: values that are known. Everything else is left out of an export, never guessed.
#pragma once

#include "kernel/capability/facts.hpp"

#include <optional>

namespace sigrun {

class fact_reader {
public:
    explicit fact_reader(const capability_document& facts) noexcept : facts_(facts) {}

    /// Null unless the fact is known, and not assumed.
    const json::value* value(std::string_view key) const noexcept {
        const fact* f = facts_.find(key);
        const bool known = f && (f->status == fact_status::ok || f->status == fact_status::stale);
        return known && f->method != "assumed" ? &f->value : nullptr;
    }
    std::string text(std::string_view key) const {
        const json::value* v = value(key);
        return v && v->is_string() ? std::string(v->get_string()) : std::string();
    }
    std::optional<std::uint64_t> number(std::string_view key) const {
        const json::value* v = value(key);
        boost::system::error_code ec;
        const auto n = v && v->is_number() ? v->to_number<std::uint64_t>(ec) : 0;
        return v && v->is_number() && !ec ? std::optional(n) : std::nullopt;
    }
    std::optional<bool> truth(std::string_view key) const {
        const json::value* v = value(key);
        return v && v->is_bool() ? std::optional(v->get_bool()) : std::nullopt;
    }
    std::vector<std::string> texts(std::string_view key) const {
        std::vector<std::string> out;
        const json::value* v = value(key);
        if (const json::array* list = v ? v->if_array() : nullptr)
            for (const auto& item : *list)
                if (item.is_string()) out.emplace_back(item.get_string());
        return out;
    }
    std::vector<const json::object*> records(std::string_view key) const {
        std::vector<const json::object*> out;
        const json::value* v = value(key);
        if (const json::array* list = v ? v->if_array() : nullptr)
            for (const auto& item : *list)
                if (const json::object* record = item.if_object()) out.push_back(record);
        return out;
    }

private:
    const capability_document& facts_;
};

}  // namespace sigrun

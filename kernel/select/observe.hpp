// From a path to a value of one machine: status, age and shape of facts decide between known, absent and
// unknown.
#pragma once

#include "kernel/select/expression.hpp"
#include "kernel/select/requirement.hpp"

#include <array>

namespace sigrun::expr {

enum class standing : std::uint8_t { known, absent, unknown };

struct sighting {
    standing state = standing::unknown;
    const json::value* value = nullptr;  // known fact
    const std::string* label = nullptr;  // known label
};

/// The element an any, all or count looks at: a member of a list fact, or the facts "BASE[index]...".
struct element {
    const json::value* value = nullptr;
    std::string_view base{};
    std::uint32_t index = 0;
};

/// A list: one fact with a list value, or the facts "BASE[0]...", "BASE[1]...".
struct list_view {
    standing state = standing::unknown;  // known with wrong_shape: there is a value, but no list
    bool wrong_shape = false;
    const json::array* items = nullptr;
    std::string_view base{};
    std::uint32_t size = 0;
    element at(std::uint32_t i) const noexcept {
        element e;
        e.index = i;
        if (items)
            e.value = &(*items)[i];
        else
            e.base = base;
        return e;
    }
};

class observer {
public:
    observer(const match_subject& subject, match_scope& scope) noexcept : subject_(subject), scope_(scope) {}

    sighting look(const path& p) noexcept;
    list_view list(const path& p) noexcept;
    std::array<element, k_max_quantifiers> variables{};

private:
    const fact* find(std::string_view key) const noexcept {
        return subject_.facts ? subject_.facts->find(key) : nullptr;
    }
    sighting judge(const fact* f) noexcept;
    sighting look_element(const path& p) noexcept;
    list_view flattened(std::string_view base) noexcept;
    std::int64_t now() noexcept;

    const match_subject& subject_;
    match_scope& scope_;
    std::int64_t now_ = 0;
};

}  // namespace sigrun::expr

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
    packed_value value{};                // known fact
    const std::string* label = nullptr;  // known label
};

/// The element an any, all or count looks at: a member of a list fact, or the facts "BASE[index]...".
struct element {
    packed_value value{};
    std::string_view base{};
    std::uint32_t index = 0;
};

/// A list: one fact with a list value, or the facts "BASE[0]...", "BASE[1]...".
struct list_view {
    standing state = standing::unknown;  // known with wrong_shape: there is a value, but no list
    bool wrong_shape = false;
    packed_value items{};
    std::string_view base{};
    std::uint32_t size = 0;
};

/// Its elements, one after the other.
class list_walk {
public:
    explicit list_walk(const list_view& list) noexcept : list_(list) {
        if (list.items) items_ = packed_value::elements(list.items);
    }
    bool more() const noexcept { return index_ < list_.size; }
    element next() noexcept {
        element e;
        e.index = index_++;
        if (list_.items)
            e.value = items_.next();
        else
            e.base = list_.base;
        return e;
    }

private:
    const list_view& list_;
    packed_value::elements items_;
    std::uint32_t index_ = 0;
};

class observer {
public:
    observer(const match_subject& subject, match_scope& scope) noexcept : subject_(subject), scope_(scope) {}

    sighting look(const path& p) noexcept;
    list_view list(const path& p) noexcept;
    std::array<element, k_max_quantifiers> variables{};

private:
    fact_view find(std::string_view key) const noexcept {
        return subject_.facts ? subject_.facts->find(key) : fact_view();
    }
    sighting judge(const fact_view& f) noexcept;
    sighting look_element(const path& p) noexcept;
    list_view flattened(std::string_view base) noexcept;
    std::int64_t now() noexcept;

    const match_subject& subject_;
    match_scope& scope_;
    std::int64_t now_ = 0;
};

}  // namespace sigrun::expr

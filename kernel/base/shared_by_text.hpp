// Values that are made from a text and never change: who asks for the same text again while somebody still holds one shares it.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>

namespace sigrun {

/// `TextOf` returns a value's text as a std::string_view; texts are compared, so that nobody gets another's value for a hash.
/// Holds no value alive. Bounded: of texts that fall into one of the `Slots`, the last is known. [any]
template <class Value, class TextOf, std::size_t Slots = 4096>
class shared_by_text {
public:
    using ptr = std::shared_ptr<const Value>;

    /// `as_of` must be that of keep(): what the value was made with besides its text. Null: nobody holds one.
    ptr find(std::string_view text, std::uint64_t as_of = 0) const {
        const auto hash = hash_of(text);
        ptr found;
        {
            const slot& at = slots_[hash % Slots];
            std::lock_guard lock(mutex_of(hash));
            if (at.hash == hash && at.as_of == as_of) found = at.value.lock();
        }
        return found && TextOf{}(*found) == text ? found : nullptr;
    }
    void keep(const ptr& value, std::uint64_t as_of = 0) {
        const auto hash = hash_of(TextOf{}(*value));
        slot made{hash, as_of, value};
        std::lock_guard lock(mutex_of(hash));
        std::swap(slots_[hash % Slots], made);
    }

private:
    struct slot {
        std::uint64_t hash = 0, as_of = 0;
        std::weak_ptr<const Value> value;
    };
    static std::uint64_t hash_of(std::string_view text) noexcept { return std::hash<std::string_view>{}(text); }
    std::mutex& mutex_of(std::uint64_t hash) const noexcept { return mutexes_[hash % Slots % mutexes_.size()]; }

    mutable std::array<std::mutex, 64> mutexes_;
    std::unique_ptr<slot[]> slots_ = std::make_unique<slot[]>(Slots);
};

}  // namespace sigrun

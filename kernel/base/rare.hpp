// A member that few objects of a large number need: it takes the room of a pointer until it is made.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace sigrun {

/// Read as if it were there: before make() all of these are the same empty T. Not for several threads.
template <class T>
class rare {
public:
    const T& operator*() const noexcept { return held_ ? *held_ : nothing(); }
    const T* operator->() const noexcept { return &**this; }
    T& make() {
        if (!held_) held_ = std::make_unique<T>();
        return *held_;
    }
    /// Nothing is left, not even the room.
    T take() {
        if (!held_) return T{};
        const auto held = std::move(held_);
        return std::move(*held);
    }
    void reset() noexcept { held_.reset(); }

private:
    static const T& nothing() noexcept {
        static const T empty{};
        return empty;
    }
    std::unique_ptr<T> held_;
};

/// A text that lives as long as the program.
struct fixed_text {
    explicit constexpr fixed_text(std::string_view t) noexcept : text(t) {}
    std::string_view text;
};

/// A text that is mostly one of a few fixed ones, which are not copied. Not for several threads.
class mostly_fixed_text {
public:
    mostly_fixed_text& operator=(fixed_text t) noexcept {
        own_.reset();
        fixed_ = t.text.data();
        length_ = t.text.size();
        return *this;
    }
    mostly_fixed_text& operator=(std::string t) {
        clear();
        if (!t.empty()) own_ = std::make_unique<std::string>(std::move(t));
        return *this;
    }
    void clear() noexcept {
        own_.reset();
        length_ = 0;
    }
    std::string_view view() const noexcept {
        return own_ ? std::string_view(*own_) : std::string_view(fixed_, length_);
    }
    std::string text() const { return std::string(view()); }
    bool empty() const noexcept { return view().empty(); }

private:
    std::unique_ptr<std::string> own_;
    const char* fixed_ = "";
    std::size_t length_ = 0;
};

}  // namespace sigrun

// A zero-filled array of fixed size whose untouched parts cost address space only. Never moves, so readers
// need no lock.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

namespace sigrun {

/// T must be valid as all-zero bytes (integers, atomics of them, plain structs). Throws std::bad_alloc.
template <class T>
class reserved_array {
    static_assert(std::is_trivially_destructible_v<T>);

public:
    reserved_array() = default;
    explicit reserved_array(std::size_t n) : size_(n) {
        if (!n) return;
        void* p = ::mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED) throw std::bad_alloc();
        data_ = static_cast<T*>(p);
    }
    reserved_array(reserved_array&& o) noexcept
        : data_(std::exchange(o.data_, nullptr)), size_(std::exchange(o.size_, 0)) {}
    reserved_array& operator=(reserved_array&& o) noexcept {
        std::swap(data_, o.data_);
        std::swap(size_, o.size_);
        return *this;
    }
    ~reserved_array() {
        if (data_) ::munmap(data_, bytes());
    }
    T& operator[](std::size_t i) const noexcept { return data_[i]; }
    T* data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }
    explicit operator bool() const noexcept { return data_ != nullptr; }

private:
    std::size_t bytes() const noexcept { return size_ * sizeof(T); }
    T* data_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace sigrun

// A growable byte store that never zero-fills, and a queue of bytes on top of it. Not thread-safe; throws
// bad_alloc.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>
#include <utility>

namespace sigrun::valkyrie {

/// Bytes are appended at the end and taken from the front.
class byte_buffer {
public:
    byte_buffer() = default;
    byte_buffer(byte_buffer&& o) noexcept { swap(o); }
    byte_buffer(const byte_buffer&) = delete;
    byte_buffer& operator=(const byte_buffer&) = delete;

    std::size_t size() const noexcept { return end_ - begin_; }
    bool empty() const noexcept { return begin_ == end_; }
    std::size_t capacity() const noexcept { return capacity_; }
    std::string_view view() const noexcept { return {data_.get() + begin_, size()}; }
    char* data() noexcept { return data_.get() + begin_; }

    /// Room for n more bytes at the end; commit() what was written.
    char* room(std::size_t n) {
        if (capacity_ - end_ < n) grow(n);
        return data_.get() + end_;
    }
    void commit(std::size_t n) noexcept { end_ += n; }
    void append(std::string_view bytes) {
        if (bytes.empty()) return;
        std::memcpy(room(bytes.size()), bytes.data(), bytes.size());
        commit(bytes.size());
    }
    void consume(std::size_t n) noexcept {
        begin_ += n;
        if (begin_ == end_) begin_ = end_ = 0;
    }
    /// Forgets the content; gives memory back after a burst.
    void clear() noexcept {
        begin_ = end_ = 0;
        if (capacity_ > k_keep) {
            data_.reset();
            capacity_ = 0;
        }
    }
    void truncate(std::size_t size) noexcept { end_ = begin_ + size; }
    void swap(byte_buffer& o) noexcept {
        data_.swap(o.data_);
        std::swap(capacity_, o.capacity_);
        std::swap(begin_, o.begin_);
        std::swap(end_, o.end_);
    }

private:
    static constexpr std::size_t k_keep = 1024 * 1024;
    struct free_it {
        void operator()(char* p) const noexcept { std::free(p); }
    };

    void grow(std::size_t n) {
        if (begin_ && begin_ >= size() && capacity_ - size() >= n) {  // cheap: at most as much is moved as was consumed
            std::memcpy(data_.get(), data_.get() + begin_, size());
            end_ -= begin_;
            begin_ = 0;
            return;
        }
        std::size_t wanted = std::max<std::size_t>({size() + n, capacity_ + capacity_ / 2, 4096});
        char* bigger = static_cast<char*>(std::malloc(wanted));
        if (!bigger) throw std::bad_alloc();
        if (size()) std::memcpy(bigger, data_.get() + begin_, size());
        data_.reset(bigger);
        end_ -= begin_;
        begin_ = 0;
        capacity_ = wanted;
    }

    std::unique_ptr<char, free_it> data_;
    std::size_t capacity_ = 0;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

}  // namespace sigrun::valkyrie

// A copy of a table that ends where its memory ends: whoever reads past struct_size dies of it, and the test names who.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <new>
#include <utility>

namespace sigrun::check {

/// Bytes that end at an inaccessible page.
class guarded_bytes {
public:
    guarded_bytes(const void* from, std::size_t size) : size_(size) {
        const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
        usable_ = (size + page - 1) / page * page;
        if (!usable_) usable_ = page;
        total_ = usable_ + page;
        void* p = ::mmap(nullptr, total_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) throw std::bad_alloc();
        base_ = static_cast<char*>(p);
        ::mprotect(base_ + usable_, page, PROT_NONE);
        if (size) std::memcpy(data(), from, size);
    }
    guarded_bytes(guarded_bytes&& o) noexcept
        : base_(std::exchange(o.base_, nullptr)), usable_(o.usable_), total_(o.total_), size_(o.size_) {}
    guarded_bytes& operator=(guarded_bytes&&) = delete;
    ~guarded_bytes() {
        if (base_) ::munmap(base_, total_);
    }
    char* data() const noexcept { return base_ + usable_ - size_; }
    std::size_t size() const noexcept { return size_; }

private:
    char* base_;
    std::size_t usable_, total_, size_;
};

/// `table` cut to `size` bytes, which its struct_size says; sizes above the table's own are only claimed.
template <class Table>
class guarded_table {
public:
    explicit guarded_table(const Table& table, std::uint32_t size = sizeof(Table))
        : bytes_(&table, size < sizeof(Table) ? size : sizeof(Table)) {
        std::memcpy(bytes_.data(), &size, sizeof size);
    }
    const Table* get() const noexcept { return reinterpret_cast<const Table*>(bytes_.data()); }

private:
    guarded_bytes bytes_;
};

}  // namespace sigrun::check

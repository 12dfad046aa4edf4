// sigrun/cpp/mock_buffer.hpp: the reference-counted buffers of mock_host. Tests only; thread-safe;
// header-only.
#pragma once

#include <sigrun/host.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <new>
#include <string_view>

namespace sigrun::sdk::mock {

/// What a sigrun_buf of the mock host really is. It may outlive its host: the count of live ones is shared.
struct buffer_block {
    std::shared_ptr<std::atomic<std::size_t>> live;
    std::unique_ptr<char[]> bytes;
    std::uint64_t capacity = 0;
    std::uint64_t length = 0;
    std::atomic<std::uint32_t> references{1};

    static buffer_block* of(sigrun_buf* buf) noexcept { return reinterpret_cast<buffer_block*>(buf); }
    sigrun_buf* abi() noexcept { return reinterpret_cast<sigrun_buf*>(this); }

    static sigrun_buf* make(const std::shared_ptr<std::atomic<std::size_t>>& live, std::uint64_t capacity) noexcept
        try {
        auto block = std::make_unique<buffer_block>();
        block->bytes = std::make_unique<char[]>(static_cast<std::size_t>(capacity ? capacity : 1));
        block->capacity = capacity;
        block->live = live;
        ++*live;
        return block.release()->abi();
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
};

inline void retain(sigrun_buf* buf) noexcept {
    if (buf) buffer_block::of(buf)->references.fetch_add(1, std::memory_order_relaxed);
}
inline void release(sigrun_buf* buf) noexcept {
    if (!buf || buffer_block::of(buf)->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    std::unique_ptr<buffer_block> block(buffer_block::of(buf));
    --*block->live;
}
inline sigrun_result view(sigrun_buf* buf, void** ptr, std::uint64_t* len, std::uint64_t* capacity) noexcept {
    if (!buf) return SIGRUN_E_INVALID;
    auto* block = buffer_block::of(buf);
    if (ptr) *ptr = block->bytes.get();
    if (len) *len = block->length;
    if (capacity) *capacity = block->capacity;
    return SIGRUN_OK;
}
inline sigrun_result set_len(sigrun_buf* buf, std::uint64_t len) noexcept {
    if (!buf || len > buffer_block::of(buf)->capacity) return SIGRUN_E_INVALID;
    buffer_block::of(buf)->length = len;
    return SIGRUN_OK;
}
inline std::string_view content(sigrun_buf* buf) noexcept {
    if (!buf) return {};
    auto* block = buffer_block::of(buf);
    return {block->bytes.get(), static_cast<std::size_t>(block->length)};
}

}  // namespace sigrun::sdk::mock

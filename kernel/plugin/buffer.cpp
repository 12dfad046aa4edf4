#include "kernel/plugin/buffer.hpp"

#include <cstdlib>
#include <cstring>
#include <new>

namespace sigrun {
namespace {

// More than any frame or payload needs; a larger request is a mistake or an attack.
constexpr std::uint64_t k_max_capacity = 1ull << 30;

sigrun_buf* allocate(std::uint64_t capacity) noexcept {
    if (capacity > k_max_capacity) return nullptr;
    void* room = std::malloc(sizeof(sigrun_buf) + static_cast<std::size_t>(capacity));
    if (!room) return nullptr;
    auto* buf = new (room) sigrun_buf{{}, 0, capacity};
    buf->references.store(1, std::memory_order_relaxed);
    return buf;
}

void add_reference(sigrun_buf* buf) noexcept {
    if (buf) buf->references.fetch_add(1, std::memory_order_relaxed);
}

void drop(sigrun_buf* buf) noexcept {
    if (!buf || buf->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    buf->~sigrun_buf();
    std::free(buf);
}

sigrun_result look(sigrun_buf* buf, void** ptr, std::uint64_t* len, std::uint64_t* capacity) noexcept {
    if (!buf) return SIGRUN_E_INVALID;
    if (ptr) *ptr = buf->bytes();
    if (len) *len = buf->length;
    if (capacity) *capacity = buf->capacity;
    return SIGRUN_OK;
}

sigrun_result set_len(sigrun_buf* buf, std::uint64_t len) noexcept {
    if (!buf || len > buf->capacity) return SIGRUN_E_INVALID;
    buf->length = len;
    return SIGRUN_OK;
}

}  // namespace

buffer_ref buffer_ref::with_capacity(std::uint64_t capacity) {
    sigrun_buf* buf = allocate(capacity);
    if (!buf) throw std::bad_alloc();
    return buffer_ref(buf);
}

buffer_ref buffer_ref::copy_of(std::string_view content) {
    buffer_ref out = with_capacity(content.size());
    if (!content.empty()) std::memcpy(out.buf_->bytes(), content.data(), content.size());
    out.buf_->length = content.size();
    return out;
}

buffer_ref buffer_ref::share(sigrun_buf* buf) noexcept {
    add_reference(buf);
    return buffer_ref(buf);
}

buffer_ref::~buffer_ref() { drop(buf_); }

const sigrun_svc_buffer& buffer_service() noexcept {
    static constexpr sigrun_svc_buffer table{
        sizeof(sigrun_svc_buffer),
        0,
        [](const sigrun_host*, std::uint64_t capacity) noexcept { return allocate(capacity); },
        &add_reference,
        &drop,
        &look,
        &set_len,
    };
    return table;
}

}  // namespace sigrun

// The host's reference-counted buffer: what sigrun_buf is inside the kernel.
#pragma once

#include <sigrun/base.h>
#include <sigrun/host.h>

#include <atomic>
#include <cstdint>
#include <string_view>
#include <utility>

/// Header of one allocation; the bytes follow it. Capacity is fixed at creation.
struct sigrun_buf {
    std::atomic<std::uint32_t> references;
    std::uint64_t length;
    std::uint64_t capacity;
    char* bytes() noexcept { return reinterpret_cast<char*>(this + 1); }
};

namespace sigrun {

/// Owns one reference. [any]; the content is written by its only holder, then read-only.
class buffer_ref {
public:
    buffer_ref() = default;
    /// A buffer holding a copy of `content`; std::bad_alloc when out of memory.
    static buffer_ref copy_of(std::string_view content);
    static buffer_ref with_capacity(std::uint64_t capacity);
    /// Takes over a reference / adds one.
    static buffer_ref adopt(sigrun_buf* buf) noexcept { return buffer_ref(buf); }
    static buffer_ref share(sigrun_buf* buf) noexcept;
    buffer_ref(const buffer_ref& o) noexcept : buffer_ref(share(o.buf_)) {}
    buffer_ref(buffer_ref&& o) noexcept : buf_(std::exchange(o.buf_, nullptr)) {}
    buffer_ref& operator=(buffer_ref o) noexcept {
        std::swap(buf_, o.buf_);
        return *this;
    }
    ~buffer_ref();

    explicit operator bool() const noexcept { return buf_ != nullptr; }
    sigrun_buf* get() const noexcept { return buf_; }
    sigrun_buf* release() noexcept { return std::exchange(buf_, nullptr); }
    std::string_view view() const noexcept {
        return buf_ ? std::string_view(buf_->bytes(), static_cast<std::size_t>(buf_->length)) : std::string_view();
    }

private:
    explicit buffer_ref(sigrun_buf* buf) noexcept : buf_(buf) {}
    sigrun_buf* buf_ = nullptr;
};

/// The table behind "sigrun.host.buffer/1".
const sigrun_svc_buffer& buffer_service() noexcept;

}  // namespace sigrun

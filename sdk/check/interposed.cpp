#include "interposed.hpp"

#include <atomic>
#include <cstddef>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

namespace sigrun::check {
allocation_count::allocation_count() noexcept = default;
allocation_count::~allocation_count() = default;
std::int64_t allocation_count::seen() const noexcept { return -1; }
void watch_exit_handlers() noexcept {}
std::string exit_handlers_seen() { return {}; }
}  // namespace sigrun::check

#else

#include <dlfcn.h>

namespace {

thread_local bool t_counting = false;
thread_local std::int64_t t_allocations = 0;
std::atomic<bool> g_watching{false};
std::atomic<const char*> g_seen{nullptr};

void count() noexcept {
    if (t_counting) ++t_allocations;
}

}  // namespace

extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t n, std::size_t size);
void* __libc_realloc(void* p, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

void* malloc(std::size_t size) {
    count();
    return __libc_malloc(size);
}
void* calloc(std::size_t n, std::size_t size) {
    count();
    return __libc_calloc(n, size);
}
void* realloc(void* p, std::size_t size) {
    count();
    return __libc_realloc(p, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
    count();
    return __libc_memalign(alignment, size);
}

// atexit() of a shared library arrives here with no argument; the compiler's own registrations, for static objects, bring
// the object along.
int __cxa_atexit(void (*fn)(void*), void* argument, void* library) {
    using real_fn = int(void (*)(void*), void*, void*);
    static real_fn* const real = reinterpret_cast<real_fn*>(::dlsym(RTLD_NEXT, "__cxa_atexit"));
    if (g_watching && !argument) g_seen = "atexit";
    return real ? real(fn, argument, library) : -1;
}
int on_exit(void (*fn)(int, void*), void* argument) {
    using real_fn = int(void (*)(int, void*), void*);
    static real_fn* const real = reinterpret_cast<real_fn*>(::dlsym(RTLD_NEXT, "on_exit"));
    if (g_watching) g_seen = "on_exit";
    return real ? real(fn, argument) : -1;
}
}

namespace sigrun::check {

allocation_count::allocation_count() noexcept {
    t_allocations = 0;
    t_counting = true;
}
allocation_count::~allocation_count() { t_counting = false; }
std::int64_t allocation_count::seen() const noexcept { return t_allocations; }

void watch_exit_handlers() noexcept { g_watching = true; }
std::string exit_handlers_seen() {
    const char* seen = g_seen;
    return seen ? seen : "";
}

}  // namespace sigrun::check

#endif

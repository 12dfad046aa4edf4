#include "working_memory.hpp"

#include <sys/mman.h>

#include <algorithm>

namespace sigrun::benchmark {
namespace {

constexpr std::uint64_t k_mib = 1024 * 1024;
constexpr std::uint64_t k_least = 64 * k_mib, k_most = 512 * k_mib, k_useless = 1 * k_mib;
constexpr std::uint64_t k_spare_space = 128 * k_mib;  // for stacks, libraries, the program's own
constexpr std::uint64_t k_huge = 2 * k_mib;

}  // namespace

array_plan plan_arrays(const std::optional<cache_size>& cache, const memory_size& memory,
                       std::uint64_t address_space_left) {
    array_plan plan;
    plan.cache_known = cache.has_value();
    plan.wanted = std::max(k_least, cache ? 4 * std::min(cache->total, k_most) : 0);
    std::uint64_t bytes = std::min(plan.wanted, k_most);
    if (memory.effective) bytes = std::min(bytes, *memory.effective / 8);
    if (memory.available) bytes = std::min(bytes, *memory.available / 6);  // half of it for all three
    bytes = std::min(bytes, address_space_left > k_spare_space ? (address_space_left - k_spare_space) / 3 : 0);
    if (bytes >= k_useless) plan.bytes = static_cast<std::size_t>(bytes);
    return plan;
}

working_memory::working_memory(std::size_t bytes_of_one, std::size_t pieces)
    : pieces_(std::max<std::size_t>(pieces, 1)),
      length_(bytes_of_one / sizeof(double) / pieces_ / 512 * 512),  // whole pages
      mapped_(bytes() + k_huge) {
    if (length_ == 0) return;
    void* at = ::mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) return;
    ::madvise(at, mapped_, MADV_HUGEPAGE);  // where there are none, small pages do
    base_ = static_cast<double*>(at);
}

working_memory::~working_memory() {
    if (base_) ::munmap(base_, mapped_);
}

}  // namespace sigrun::benchmark

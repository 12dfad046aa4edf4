#include "work.hpp"

#include <algorithm>

namespace sigrun::benchmark {
namespace {

constexpr std::size_t k_numbers = 1024;
constexpr std::size_t k_table = 8192;  // 32 KiB: together with the numbers more than a first cache

}  // namespace

integer_work::integer_work() : numbers_(k_numbers), table_(k_table) {}

void integer_work::operator()() {
    std::fill(table_.begin(), table_.end(), 0u);
    for (auto& n : numbers_) {
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        state_ ^= state_ << 17;
        n = static_cast<std::uint32_t>(state_ >> 16) | 1u;
        std::size_t at = (n * 2654435761u) >> 19;  // 13 bits
        while (table_[at] != 0 && table_[at] != n) at = (at + 1) % k_table;
        table_[at] = n;
    }
    std::sort(numbers_.begin(), numbers_.end());
    for (std::size_t i = 1; i < numbers_.size(); ++i) {
        const std::uint32_t gap = numbers_[i] - numbers_[i - 1];
        checksum_ = checksum_ * 31 + (gap % 7 == 0 ? gap / 7 : gap ^ table_[gap % k_table]);
    }
}

}  // namespace sigrun::benchmark

#include "processors.hpp"

#include <sigrun/cpp/procfs.hpp>
#include <sigrun/cpp/text.hpp>

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace sigrun::benchmark {
namespace {

constexpr std::size_t k_mask_bytes = sdk::cpu_set::k_limit / 8;

}  // namespace

std::vector<unsigned char> own_mask() {
    std::vector<unsigned char> mask(k_mask_bytes);
    if (::sched_getaffinity(0, mask.size(), reinterpret_cast<cpu_set_t*>(mask.data())) != 0) mask.clear();
    return mask;
}

std::vector<unsigned char> mask_of(unsigned processor) {
    std::vector<unsigned char> mask(k_mask_bytes);
    if (processor < sdk::cpu_set::k_limit) CPU_SET_S(processor, mask.size(), reinterpret_cast<cpu_set_t*>(mask.data()));
    return mask;
}

std::vector<unsigned> numbers_in(const std::vector<unsigned char>& mask) {
    std::vector<unsigned> out;
    for (unsigned i = 0; i < mask.size() * 8; ++i)
        if (CPU_ISSET_S(i, mask.size(), reinterpret_cast<const cpu_set_t*>(mask.data()))) out.push_back(i);
    return out;
}

std::vector<unsigned> chosen_processors(const std::vector<unsigned>& allowed, std::optional<double> quota) {
    std::size_t count = allowed.size();
    if (quota && *quota > 0 && *quota < static_cast<double>(count)) count = static_cast<std::size_t>(std::ceil(*quota));
    std::vector<unsigned> out;
    for (std::size_t i = 0; i < count; ++i) out.push_back(allowed[i * allowed.size() / count]);
    return out;
}

std::optional<cache_size> last_level_cache(const sdk::sysroot& root, const std::vector<unsigned>& processors) {
    std::map<std::string, std::uint64_t> caches;  // by who shares it
    for (const unsigned processor : processors) {
        const auto folder = sdk::concat("/sys/devices/system/cpu/cpu", processor, "/cache/index3");
        const auto level = root.read(folder + "/level", 64), size = root.read(folder + "/size", 64);
        if (!level || sdk::trimmed(level.text) != "3") continue;
        const auto bytes = sdk::parse_sysfs_size(size.text);
        if (bytes) caches[std::string(sdk::trimmed(root.read(folder + "/shared_cpu_list", 4096).text))] = *bytes;
    }
    if (caches.empty()) return std::nullopt;
    cache_size sum;
    for (const auto& [who, bytes] : caches) {
        sum.one = std::max(sum.one, bytes);
        sum.total += bytes;
    }
    return sum;
}

memory_size memory_of(const sdk::sysroot& root) {
    const auto meminfo = root.read("/proc/meminfo");
    memory_size out{sdk::meminfo_bytes(meminfo.text, "MemTotal"), sdk::meminfo_bytes(meminfo.text, "MemAvailable")};
    const sdk::cgroup_view groups(root);
    for (const auto& limit : {groups.memory_max(), groups.memory_high()})
        if (limit.value) out.effective = std::min(out.effective.value_or(*limit.value), *limit.value);
    return out;
}

std::uint64_t address_space_left(const sdk::sysroot& root) {
    rlimit space{};
    if (::getrlimit(RLIMIT_AS, &space) != 0 || space.rlim_cur == RLIM_INFINITY) return ~std::uint64_t{0};
    const auto statm = root.read("/proc/self/statm", 256);
    std::string_view rest = statm.text;
    const auto pages = sdk::parse_u64(sdk::next_word(rest));
    const auto used = pages.value_or(0) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    return space.rlim_cur > used ? space.rlim_cur - used : 0;
}

}  // namespace sigrun::benchmark

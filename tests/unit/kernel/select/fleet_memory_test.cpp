// How much ten thousand machines with everything that is known of them take: documents and selection index. Bytes, no times.
#include "fixtures/documents/many_machines.hpp"
#include "fleet.hpp"

#include <gtest/gtest.h>

#include <malloc.h>

#include <algorithm>
#include <fstream>
#include <functional>

namespace sigrun::test {
namespace {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr bool k_allocator_is_ours = true;
#else
constexpr bool k_allocator_is_ours = false;
#endif

struct usage {
    std::int64_t allocated = 0, resident = 0;
    static usage now() {
        ::malloc_trim(0);
        const auto heap = ::mallinfo2();
        std::ifstream statm("/proc/self/statm");
        std::int64_t pages = 0, resident = 0;
        statm >> pages >> resident;
        return {static_cast<std::int64_t>(heap.uordblks + heap.hblkhd), resident * 4096};
    }
    std::int64_t since(const usage& before) const {
        return std::max(allocated - before.allocated, resident - before.resident);
    }
};

constexpr std::int64_t k_machines = 10'000;

/// Bytes of all of them, in an index.
std::int64_t bytes_of_fleet(const std::function<std::vector<fact>(std::uint64_t)>& machine,
                            std::vector<sheet_ptr>& sheets) {
    const auto before = usage::now();
    auto index = make_selector({real_balancer("round_robin")}, k_machines);
    const auto labels = std::make_shared<const label_map>(label_map{{"zone", "eu"}});
    for (std::uint64_t n = 0; n < k_machines; ++n) {
        runner_profile p;
        p.facts = fact_sheet::of(capability_document(machine(n)));
        p.labels = labels;
        p.protocols = 1;
        join(*index, p);
        sheets.push_back(p.facts);
    }
    const auto everyone = compiled("cpu.cores >= 1 && memory.total_bytes >= 1GiB");
    const auto predicate = index->intern(everyone);
    const auto bytes = usage::now().since(before);
    EXPECT_EQ(std::int64_t{index->explain(*everyone).matching}, k_machines);
    return bytes;
}

TEST(fleet_memory, mission_N7_ten_thousand_machines_with_full_documents_take_at_most_40_MB) {
    if (k_allocator_is_ours) GTEST_SKIP() << "a sanitizer's allocator is measured by nobody";
    const many_machines machines(SIGRUN_SOURCE_DIR);
    ASSERT_GE(machines.size(), 180u);
    std::vector<sheet_ptr> sheets;
    const auto bytes = bytes_of_fleet([&](std::uint64_t n) { return machines.facts(n, 40); }, sheets);
    EXPECT_LE(bytes, 40'000'000);
    std::size_t own = 0;
    for (const auto& s : sheets) own += s->own_bytes();
    const auto shared = stored_facts();
    std::printf(
        "%zu facts each: %.1f MB, %lld bytes a machine; of its own %zu; %zu classes with %zu records and %zu kinds, "
        "%.1f bytes each\n",
        machines.size(), double(bytes) / 1e6, static_cast<long long>(bytes / k_machines), own / sheets.size(),
        shared.blocks, shared.records, shared.kinds, double(shared.bytes) / double(shared.records + shared.kinds));
    EXPECT_EQ(shared.blocks, 40u);
    EXPECT_LE(shared.bytes, 96 * (shared.records + shared.kinds));
    // What was stored is what was told.
    const capability_document told(machines.facts(9'999, 40));
    EXPECT_EQ(sheets.back()->inventory_hash(), told.inventory_hash());
    EXPECT_EQ(capability_document(sheets.back()->facts()).inventory_hash(), told.inventory_hash());
}

TEST(fleet_memory, mission_N7_machines_that_share_nothing_take_at_most_24_KiB_each) {
    if (k_allocator_is_ours) GTEST_SKIP() << "a sanitizer's allocator is measured by nobody";
    const many_machines machines(SIGRUN_SOURCE_DIR);
    std::vector<sheet_ptr> sheets;
    const auto bytes = bytes_of_fleet(
        [&](std::uint64_t n) {
            auto all = machines.facts(n, 40);
            for (fact& f : all) {
                if (f.value.is_string()) f.value.as_string() += "." + std::to_string(n);
                if (f.value.is_array()) f.value.as_array().push_back(json::object{{"name", std::to_string(n)}});
            }
            return all;
        },
        sheets);
    EXPECT_LE(bytes / k_machines, 24 * 1024);
    std::printf("%lld bytes a machine\n", static_cast<long long>(bytes / k_machines));
}

}  // namespace
}  // namespace sigrun::test

// Gives the built plugin a small fleet inside a mock host and looks at its picks.
#include <sigrun/balancer.h>
#include <sigrun/cpp/mock_file.hpp>
#include <sigrun/cpp/mock_host.hpp>

#include <cstdio>

using namespace sigrun::sdk;

static int failures = 0;
static void expect(bool condition, const char* what) {
    if (condition) return;
    std::fprintf(stderr, "failed: %s\n", what);
    ++failures;
}

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    const plugin_file file(argv[1]);
    mock_host host;
    auto* instance = host.start(host.create_from(file.entry(), "@name@"));
    const auto* table =
        static_cast<const sigrun_balancer*>(instance->get_interface(instance, str(SIGRUN_KIND_BALANCER)));

    // Two pages of 64 slots: slot 3 is free in tier 1, slots 70 and 71 in tier 0.
    const std::uint64_t none[2] = {0, 0}, hot[128] = {};
    const std::uint64_t tier0[2] = {0, 0xc0}, tier1[2] = {0x8, 0};
    const std::uint64_t page1 = 2, page0 = 1, no_page = 0;
    sigrun_view view{};
    view.struct_size = sizeof view;
    view.abi = 1;
    view.hot = hot;
    view.n_slots = 128;
    view.n_pages = 2;
    view.page_shift = 6;
    for (int tier = 0; tier < SIGRUN_TIERS; ++tier) {
        view.idle[tier] = tier == 0 ? tier0 : tier == 1 ? tier1 : none;
        view.page_any[tier] = tier == 0 ? &page1 : tier == 1 ? &page0 : &no_page;
    }
    // The second request may use page 0 only.
    const std::uint64_t pages[2] = {3, 1};
    sigrun_req requests[4]{};
    for (auto& r : requests) r.want_k = 1;
    requests[1].pred_pages_off = 1;
    sigrun_pick picks[4]{};
    void* tls = table->thread_init ? table->thread_init(instance, 0) : nullptr;
    expect(table->pick(tls, &view, requests, 4, pages, picks) == 3, "three of four are placed");
    expect(picks[0].n == 1 && picks[0].slot[0] == 70 && picks[0].tier == 0, "the best tier comes first");
    expect(picks[1].n == 1 && picks[1].slot[0] == 3 && picks[1].tier == 1, "only feasible pages are used");
    expect(picks[2].n == 1 && picks[2].slot[0] == 71, "a batch is spread");
    expect(picks[3].n == 0, "nothing is left for the last");
    if (table->thread_fini) table->thread_fini(instance, tls);
    host.destroy(instance);
    return failures ? 1 : 0;
}

// use_outside_plugins FOLDER: lets the plugins of outside_plugins/ do their work through the host.
#include "kernel/plugin/plugin_host.hpp"

#include <sigrun/balancer.h>
#include <sigrun/cpp/text.hpp>
#include <sigrun/probe.h>

#include <boost/json.hpp>

#include <iostream>
#include <vector>

namespace {

using namespace sigrun;
int failures = 0;

void expect(bool condition, std::string_view what) {
    if (condition) return;
    std::cerr << "failed: " << what << '\n';
    ++failures;
}

// Two pages of 64 slots; slot 3 is free in tier 1, slots 70 and 71 in tier 0; the second request may use page
// 0 only.
void use_balancer(plugin_host& host) {
    auto which = host.find(SIGRUN_KIND_BALANCER, "first_fit");
    expect(which != nullptr, "the balancer has an instance");
    if (!which) return;
    const auto* table = which->table<sigrun_balancer>(SIGRUN_KIND_BALANCER);
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
    const std::uint64_t pages[2] = {3, 1};
    sigrun_req requests[4]{};
    requests[1].pred_pages_off = 1;
    sigrun_pick picks[4];
    expect(table->pick(nullptr, &view, requests, 4, pages, picks) == 3, "three of four are placed");
    expect(picks[0].n == 1 && picks[0].slot[0] == 70 && picks[0].tier == 0, "the best tier comes first");
    expect(picks[1].n == 1 && picks[1].slot[0] == 3 && picks[1].tier == 1, "only feasible pages are used");
    expect(picks[2].n == 1 && picks[2].slot[0] == 71, "a batch is spread");
    expect(picks[3].n == 0, "nothing is left for the last");
}

void use_probe(plugin_host& host) {
    auto which = host.find(SIGRUN_KIND_PROBE, "load_probe");
    expect(which != nullptr, "the probe has an instance");
    if (!which) return;
    std::string json;
    sigrun_sink sink{sizeof sink, 0, &json, [](void* ctx, const sigrun_frame* frame) -> sigrun_result {
                         *static_cast<std::string*>(ctx) = sdk::view(frame->json);
                         return SIGRUN_OK;
                     }};
    sigrun_probe_req request{};
    request.struct_size = sizeof request;
    bool completed = false;
    host.call_async(
        *which,
        [&](sigrun_op op) {
            return which->table<sigrun_probe>(SIGRUN_KIND_PROBE)->run(which->abi(), &request, &sink, op);
        },
        [&](result<buffer_ref> r) { completed = static_cast<bool>(r); });
    expect(completed, "the probe completes its op");
    const auto facts = boost::json::parse(json).at("facts").as_array();
    expect(facts.size() == 3, "three facts");
    expect(facts[0].at("key") == "custom.load1" && facts[0].at("status") == "ok", "load1 is known");
    expect(facts[0].at("value").to_number<double>() >= 0, "load1 is a number");
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::cerr << "usage: use_outside_plugins FOLDER\n";
        return 2;
    }
    metrics numbers;
    plugin_host host({.plugin_dir = argv[1], .program = "use_outside_plugins"}, {}, numbers);
    host.load_all().value();
    host.start_all().value();
    use_balancer(host);
    use_probe(host);
    return failures ? 1 : 0;
}

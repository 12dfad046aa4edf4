#include "zone_walk.hpp"

#include <sigrun/cpp/balancer_plugin.hpp>

namespace sigrun::geographic {
namespace {

class balancer;

class picker {
public:
    explicit picker(const balancer&) {}

    template <class>
    void pick(const sigrun_view& view, const sigrun_req& req, const std::uint64_t* pages, sigrun_pick& out) noexcept {
        walk_.pick(view, req, pages, out);
    }

private:
    zone_walk walk_;
};

class balancer {
public:
    balancer(sdk::host, const sdk::config_reader&) {}

    const void* interface(std::string_view id) noexcept {
        constexpr std::uint32_t k_caps = SIGRUN_BALANCER_THREAD_LOCAL_STATE | SIGRUN_BALANCER_DETERMINISTIC;
        return id == SIGRUN_KIND_BALANCER ? sdk::balancer_table<balancer, picker, k_caps>() : nullptr;
    }
};

}  // namespace
}  // namespace sigrun::geographic

SIGRUN_PLUGIN("sigrun.geographic", "1.0.0", "The zone that costs least to use", 0,
              sigrun::sdk::component<sigrun::geographic::balancer>(
                  "geographic", SIGRUN_KIND_BALANCER,
                  "Takes an idle runner in the zone with the least round trip, wait and cost of egress"))

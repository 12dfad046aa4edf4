// One instance of the plugin, as one dispatching thread sees it.
#pragma once

#include "unit/plugins/balancers/hand_kept_fleet.hpp"

#include <sigrun/cpp/mock_host.hpp>

#include <random>

namespace sigrun::test {

class geographic_plugin {
public:
    explicit geographic_plugin(std::uint64_t seed = 1) : random(seed) {
        instance_ = host_.start(host_.create("geographic", {}));
        table_ =
            static_cast<const sigrun_balancer*>(instance_->get_interface(instance_, sdk::str(SIGRUN_KIND_BALANCER)));
        tls_ = table_->thread_init(instance_, 1);
    }
    geographic_plugin(const geographic_plugin&) = delete;
    ~geographic_plugin() { table_->thread_fini(instance_, tls_); }

    sigrun_pick pick(const hand_kept_fleet& fleet, std::uint32_t source, std::uint16_t flags = 0,
                     std::uint16_t want = 1) {
        return pick(fleet, fleet.view(), source, flags, want);
    }
    sigrun_pick pick(const hand_kept_fleet& fleet, const sigrun_view& view, std::uint32_t source,
                     std::uint16_t flags = 0, std::uint16_t want = 1) {
        sigrun_req req{};
        req.pred_id = 1;
        req.protos = 1;
        req.src_zone = source;
        req.want_k = want;
        req.flags = flags;
        req.now_ns = now_ns;
        req.rng = random();
        sigrun_pick out{};
        table_->pick(tls_, &view, &req, 1, fleet.feasible.data(), &out);
        return out;
    }

    std::uint64_t now_ns = 1'000'000'000;
    std::mt19937_64 random;

private:
    sdk::mock_host host_;
    sigrun_instance* instance_ = nullptr;
    const sigrun_balancer* table_ = nullptr;
    void* tls_ = nullptr;
};

}  // namespace sigrun::test

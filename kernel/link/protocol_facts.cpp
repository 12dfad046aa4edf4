// What is known of a runner's protocols, as a fact that requirements can name: any(p in proto, p.name == "grpc" && p.supported).
#include "kernel/link/detection.hpp"
#include "kernel/link/fleet.hpp"

namespace sigrun {
namespace {

constexpr std::chrono::milliseconds k_gather{500};  // a look at an endpoint brings several news at once

}  // namespace

fact fleet::protocol_fact(const runner& r) const {
    fact f;
    f.key = "proto";
    f.value = protocol_records(r.protocols);
    f.volatility = fact_volatility::fast;  // its changes are told by events of their own
    f.method = "measured";
    f.source = "links and detection";
    f.observed_ns = clock_.wall_ns();
    return f;
}

void fleet::protocols_changed(const member_ptr& m) {
    if (m->protocols_untold.exchange(true)) return;
    looks_->later->at(clock_.now() + k_gather, [weak = weak_from_this(), m] {
        m->protocols_untold = false;
        if (auto me = weak.lock()) me->tell_protocols(m);
    });
}

// Into the facts, whatever else becomes of them meanwhile.
void fleet::tell_protocols(const member_ptr& m) {
    for (;;) {
        sheet_ptr before;
        std::string process;
        std::uint64_t revision = 0;
        fact protocols;
        {
            std::lock_guard lock(m->info->mutex);
            before = m->info->facts;
            process = m->info->facts_process;
            revision = m->info->facts_revision;
            protocols = protocol_fact(*m->info);
        }
        auto now = before ? before->with(std::span(&protocols, 1)) : nullptr;
        if (!now) {
            auto next = before ? before->facts() : std::vector<fact>{};
            std::erase_if(next, [](const fact& f) { return f.key == "proto"; });
            next.push_back(std::move(protocols));
            now = fact_sheet::of(capability_document(std::move(next)));
        }
        if (runners_.exchange_facts(*m->info, before, now, process, revision)) break;
    }
    reindex(m);
}

}  // namespace sigrun

// The parts of a waiting queue.
#pragma once

#include "kernel/job/wait_queue.hpp"

namespace sigrun {

struct wait_queue::lane {
    predicate_ptr pred;
    protocol_mask protocols = 0;
    std::uint32_t source = 0;
    std::uint16_t balancer = 0;
    std::uint64_t only = 0;             // age of its only job
    std::vector<std::uint32_t> not_on;  // of that
    std::uint64_t born = 0;
    std::list<std::uint32_t>::iterator at;  // in by_birth_
    std::size_t jobs = 0;
    std::array<std::set<std::uint32_t>, k_bands> tenants;  // that have some here, by band
};

struct wait_queue::flow {
    account_ptr tenant;
    lane_set lanes;
    std::unordered_map<std::uint32_t, line> jobs;  // by lane
    std::set<candidate> heads;                     // the first of each lane
};

struct wait_queue::band {
    lane_set lanes;
    std::map<std::uint32_t, flow> flows;  // by number of the tenant
};

}  // namespace sigrun

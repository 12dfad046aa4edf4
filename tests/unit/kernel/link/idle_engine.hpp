// What a fleet asks of its jobs, where there are none. Also for bench/select.
#pragma once

#include "kernel/link/fleet.hpp"

#include <string>
#include <unordered_set>
#include <vector>

namespace sigrun::link_test {

struct idle_engine final : attempt_handler {
    sigrun_result on_attempt_frame(const member_ptr&, const link_ptr&, const sigrun_frame&) override {
        return SIGRUN_OK;
    }
    std::vector<verdict> reconcile(const member_ptr&, const std::vector<inventory_item>& items, bool) override {
        return std::vector<verdict>(items.size());
    }
    void on_session(const member_ptr&, const link_ptr&, const std::string&) override {}
    void on_link_lost(const member_ptr&, const link_ptr&) override {}
    void on_capacity(slot_ref) override {}
    std::unordered_set<const link*> links_in_use(const member_ptr&) override { return {}; }
    void move_attempts(const member_ptr&, const link_ptr&, const link_ptr&) override {}
};

}  // namespace sigrun::link_test

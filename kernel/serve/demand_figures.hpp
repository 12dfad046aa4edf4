// What demand is told of: sums over cells of jobs, and what runners there are for them. Values; see demand_view.
#pragma once

#include "kernel/base/json.hpp"
#include "kernel/job/demand.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

/// Jobs by what they wait for.
struct demand_sums {
    std::uint64_t classes = 0, queued = 0, delayed = 0, blocked = 0, retrying = 0, running = 0;
    std::uint64_t shortfall = 0, unsatisfiable = 0;
    time_point oldest = time_point::max();

    void add(const demand_cell::reading& jobs) noexcept;
    void add(const demand_sums& other) noexcept;
    double oldest_wait_s(time_point now) const noexcept;
    /// Adds its members.
    void write(json::object& to, time_point now) const;
};

/// Runners and places for a class, by what may be had of them.
struct demand_supply {
    std::uint32_t matching = 0, online = 0, idle = 0, draining = 0, offline = 0, other = 0, gone = 0;
    std::uint64_t places = 0, taken = 0, free = 0, draining_places = 0, offline_places = 0;
    json::object runners() const;
    json::object all_places() const;
};

/// Jobs of one requirement.
struct demand_class {
    predicate_ptr pred;
    std::string kind;
    demand_sums jobs;
    std::uint64_t waited = 0;  // of the queued: for as long as was asked
    std::uint64_t picky = 0;   // of the queued: they do not want the places that are free
    std::map<std::string, std::uint64_t> queues, tenants, protocols;  // of the queued
    demand_supply there;
    std::vector<std::pair<std::uint32_t, std::uint32_t>> free;  // slots with so many places for it
    std::string missing;                                        // why no known runner matches

    void add(const demand_cell& cell, const demand_cell::reading& read);
    std::string id() const { return class_id(*pred); }
    json::object document(time_point now) const;

    /// The same for the same requirement, whenever and wherever: 16 hexadecimal digits.
    static std::string class_id(const predicate& pred);
    /// As it was written, but in canonical form, and of signed jobs also which runners take them; empty: any runner will do.
    static std::string text(const predicate& pred, const std::string& kind);
};

/// Gives each free place to one job, to the classes with few of them first: what is left over is missing. Fills shortfall.
void share_free_places(const std::vector<demand_class*>& classes);

}  // namespace sigrun

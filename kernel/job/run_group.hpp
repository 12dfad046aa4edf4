// Concurrency groups: of the jobs of one tenant that name the same group only so many run at once; the others wait in line.
//
// A job holds a place in its group from when it is let in until it has ended, over all its attempts and all that goes wrong
// with them. The limit is the strictest that anybody concerned asks for: the configuration, the job that wants in, and
// those that are in. In line, the more urgent come first, then the older; nobody is passed over.
#pragma once

#include "kernel/base/clock.hpp"
#include "kernel/base/id.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

namespace sigrun {

/// What becomes of others when a job comes into a group that is full.
enum class group_policy : std::uint8_t { queue, cancel_running, cancel_waiting, refuse };
std::string_view to_string(group_policy p) noexcept;

constexpr std::uint32_t k_most_in_group = 100'000;

/// What a [group NAME] section says.
struct group_rules {
    std::uint32_t max = 0;  // 0 = as the jobs say, and 1 where they say nothing
    double rate = 0;        // jobs that are let in per second; 0 = any number
    std::uint32_t burst = 1;
};

/// A job as its group sees it.
struct job_in_group {
    id job{};
    std::uint8_t band = 0;      // 0 first
    std::int64_t since_ns = 0;  // submitted, wall clock
    std::uint32_t max = 0;      // that it allows; 0 = says nothing
    friend bool operator<(const job_in_group& a, const job_in_group& b) noexcept {
        return std::tie(a.band, a.since_ns, a.job) < std::tie(b.band, b.since_ns, b.job);
    }
};

/// [any], one lock, under which nothing is called. O(log n) but for what copies lists.
class run_group {
public:
    run_group(std::string of, std::string called) : tenant(std::move(of)), name(std::move(called)) {}
    const std::string tenant, name;

    /// Those who are in now, and were not before; and when to ask again, if only the rate holds the next one back.
    struct admission {
        std::vector<id> in;
        std::optional<time_point> again;
    };
    /// It waits in line from now on, unless it is in already.
    void line_up(const job_in_group& who);
    /// It is in, whatever the limit says: it was before a restart.
    void put_in(const job_in_group& who);
    /// It is in, or nothing: there is no place now, or others wait for one.
    bool try_in(const job_in_group& who, time_point now);
    /// It is neither in nor in line any more. True: it was in.
    bool leave(const id& job);
    /// Lets in whom there is room for.
    admission admit(time_point now);
    void set_rules(const group_rules& rules);

    std::vector<id> inside() const;  // first those that are in for longest
    std::vector<id> line() const;    // first who is next
    /// How many may be in at once if a job that allows `max` is to be one of them.
    std::uint32_t limit_for(std::uint32_t max) const;
    /// How many are in, and how many stand before `job` in the line.
    std::pair<std::size_t, std::size_t> standing(const id& job) const;

private:
    struct place {
        std::uint64_t number = 0;
        std::uint32_t max = 0;
    };
    std::uint32_t limit_now(std::uint32_t max) const;
    bool full_for(std::uint32_t max) const;
    std::optional<time_point> held_back(time_point now) const;
    void enter(const job_in_group& who);

    mutable std::mutex mutex_;
    group_rules rules_;
    std::set<job_in_group> line_;
    std::unordered_map<id, job_in_group> in_line_;
    std::unordered_map<id, place> inside_;
    std::map<std::uint32_t, std::uint32_t> limits_;  // that those inside say, 0 = nothing, and how many say it
    std::uint64_t next_ = 0;
    time_point full_again_{};  // when the rate will have forgotten all that were let in
};
using group_ptr = std::shared_ptr<run_group>;

/// By tenant and name; one that no job holds is forgotten. [any]
class run_groups {
public:
    using rules_by_name = std::map<std::string, group_rules, std::less<>>;
    group_ptr find(std::string_view tenant, std::string_view name);
    /// For groups of now and later. Those that there are: they may let in more than before.
    std::vector<group_ptr> set_rules(rules_by_name rules);

private:
    std::mutex mutex_;
    rules_by_name rules_;
    std::map<std::pair<std::string, std::string>, std::weak_ptr<run_group>> groups_;
    std::size_t sweep_at_ = 64;
};

/// What a job document says of its group.
struct group_terms {
    group_ptr group;
    std::uint32_t max = 0;  // 0 = nothing
    group_policy policy = group_policy::queue;
};

}  // namespace sigrun

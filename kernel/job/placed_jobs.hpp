// Which jobs are, or were last, on which runner: what happens to a runner or to one of its links concerns these, and costs
// nothing for all the others.
#pragma once

#include "kernel/base/id.hpp"

#include <array>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace sigrun {

struct job;

struct placed_hook;
namespace detail {
struct jobs_of_runner {
    placed_hook* first = nullptr;
};
}  // namespace detail

/// A job's place in it, of which a job may have several; written under the lock of its shard.
struct placed_hook {
    explicit placed_hook(job& j) noexcept : owner(j) {}
    placed_hook(const placed_hook&) = delete;
    placed_hook& operator=(const placed_hook&) = delete;

    job& owner;
    std::size_t shard = 0;
    detail::jobs_of_runner* on = nullptr;
    placed_hook *before = nullptr, *after = nullptr;
};

/// Intrusive, in 64 shards by runner; no allocation for a runner that is known. Holds no job: one that is destroyed takes its
/// hooks out.
class placed_jobs {
public:
    /// It is on that runner from now on, and on no other by this hook. [any, under the job's lock]
    void put(placed_hook& hook, const id& runner);
    /// [any, under the job's lock or from its destructor]
    void remove(placed_hook& hook) noexcept;
    /// Each once for each of its hooks. [any, under no job's lock]
    std::vector<std::shared_ptr<job>> on(const id& runner) const;
    /// Keeps nothing for a runner that has no jobs. [any]
    void tidy(const id& runner);

private:
    struct shard {
        mutable std::mutex mutex;
        std::unordered_map<id, detail::jobs_of_runner> runners;
    };
    static void unlink(placed_hook& at) noexcept;
    std::array<shard, 64> shards_;
};

}  // namespace sigrun

#include "kernel/job/placed_jobs.hpp"

#include "kernel/job/job.hpp"

namespace sigrun {

void placed_jobs::unlink(placed_hook& at) noexcept {
    (at.before ? at.before->after : at.on->first) = at.after;
    if (at.after) at.after->before = at.before;
    at.on = nullptr;
    at.before = at.after = nullptr;
}

void placed_jobs::put(placed_hook& hook, const id& runner) {
    remove(hook);
    hook.shard = runner.shard();
    shard& s = shards_[hook.shard];
    std::lock_guard lock(s.mutex);
    auto& there = s.runners[runner];
    hook.on = &there;
    hook.after = there.first;
    if (there.first) there.first->before = &hook;
    there.first = &hook;
}

void placed_jobs::remove(placed_hook& hook) noexcept {
    if (!hook.on) return;
    std::lock_guard lock(shards_[hook.shard].mutex);
    unlink(hook);
}

std::vector<std::shared_ptr<job>> placed_jobs::on(const id& runner) const {
    std::vector<std::shared_ptr<job>> all;
    const shard& s = shards_[runner.shard()];
    std::lock_guard lock(s.mutex);
    auto at = s.runners.find(runner);
    if (at == s.runners.end()) return all;
    for (placed_hook* each = at->second.first; each; each = each->after)
        if (auto held = each->owner.weak_from_this().lock())
            all.push_back(std::move(held));  // else it is being destroyed
    return all;
}

void placed_jobs::tidy(const id& runner) {
    shard& s = shards_[runner.shard()];
    std::lock_guard lock(s.mutex);
    if (auto at = s.runners.find(runner); at != s.runners.end() && !at->second.first) s.runners.erase(at);
}

}  // namespace sigrun

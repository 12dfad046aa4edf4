// The end of generations: what nobody uses any more is destroyed, and its code let go of.
#include "kernel/log/loggers.hpp"
#include "kernel/plugin/plugin_set.hpp"
#include "kernel/plugin/residents.hpp"

#include <algorithm>

namespace sigrun {
// The address is as good as a number: an instance is not destroyed before its operations are over.
std::uint64_t op_owner(const instance& which) noexcept {
    const auto place = reinterpret_cast<std::uintptr_t>(&which) / alignof(instance);
    const auto half = static_cast<std::uint32_t>(place ^ (place >> 32));
    return (std::uint64_t{half ? half : 1} << 32) | static_cast<std::uint32_t>(which.generation_number());
}

bool plugin_set::reap(std::vector<ended>& done) {
    std::vector<std::shared_ptr<instance>> unused;
    std::vector<std::shared_ptr<generation>> codes;
    bool left = false;
    {
        std::lock_guard lock(mutex_);
        for (auto& each : retiring_) {
            // An operation that is open may be a connection the plugin serves, or a call that is on its way back.
            if (each.state == plugin_state::warm) continue;
            if (!each.shares_code && rt_->ops.open(each.info.generation)) continue;
            std::erase_if(each.instances, [&](auto& i) {
                // This list alone holds it, and nobody else can get hold of it any more.
                if (i.use_count() > 1 || (each.shares_code && rt_->ops.open(op_owner(*i)))) return false;
                unused.push_back(std::move(i));
                return true;
            });
            if (each.instances.empty()) codes.push_back(std::move(each.code));
        }
        std::erase_if(retiring_, [](const retiring& r) { return !r.code; });
        left = std::any_of(retiring_.begin(), retiring_.end(),
                           [](const retiring& r) { return r.state != plugin_state::warm; });
    }
    // Joins the plugin's threads; without the lock, since they may ask for something on their way out.
    unused.clear();
    for (auto& code : codes) {
        if (code.use_count() > 1) continue;  // an instance gave way to another one, and its code is still in use
        ended one{code->identity().id, code->identity().version, code->number(), {}};
        code.reset();
        for (const auto& stays : residents_of(one.id))
            if (stays.generation == one.generation) one.resident = stays.why;
        SIGRUN_LOG(logs::plugin, info, one.id, " ", one.version, " (generation ", one.generation, ") is done");
        done.push_back(std::move(one));
    }
    return left;
}

void plugin_set::unload() {
    std::vector<std::shared_ptr<generation>> codes;
    {
        std::lock_guard lock(mutex_);
        for (auto& old : retiring_) codes.push_back(std::move(old.code));
        retiring_.clear();
        for (auto& each : records_) {
            each->info.active = false;
            each->info.components.clear();
            codes.push_back(std::move(each->code));
        }
    }
    while (!codes.empty()) codes.pop_back();
}

}  // namespace sigrun

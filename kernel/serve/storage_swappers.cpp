#include "kernel/serve/storage_swappers.hpp"

#include "kernel/plugin/plugin_host.hpp"
#include "kernel/store/journal.hpp"

#include <sigrun/executor.h>
#include <sigrun/store.h>

namespace sigrun {

void set_storage_swappers(plugin_host& plugins, journal& store) {
    swapper stores;
    stores.check = [&store](const auto& old, const auto& now) { return store.can_replace(old, now); };
    stores.swap = [&store](const auto& old, const auto& now) { return store.replace(old, now); };
    plugins.set_swapper(SIGRUN_KIND_STORE, std::move(stores));

    // Executors work in runners; here they are only loaded, so that what is wrong with one is seen.
    swapper executors;
    executors.check = [](const auto&, const auto&) { return result<void>(); };
    executors.swap = [](const auto&, const auto&) { return true; };
    executors.add = executors.remove = [](const auto&) { return result<void>(); };
    plugins.set_swapper(SIGRUN_KIND_EXECUTOR, std::move(executors));
}

}  // namespace sigrun

// What happens to plugins while the program runs, told to whoever keeps events and numbers.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace sigrun {

struct plugin_event {
    enum class kind : std::uint8_t {
        loaded,        // a new file was taken into use
        rejected,      // a file was refused; what ran before goes on
        probation,     // the new generation has the work, the old one is kept warm
        replaced,      // the new generation stays
        swapped_back,  // the new generation was in trouble: the old one has the work again
        retired,       // an older generation has ended; `reason` says so if its code stays mapped
        gone,          // the file is gone; what was loaded from it runs on
        removed,       // taken out of service on request
    };
    kind what;
    std::string plugin;            // id, or the file where no id could be read
    std::string from, to;          // versions
    std::uint64_t generation = 0;  // the one the event is about
    std::string reason;
};
/// On the control thread; must not call back into the plugin host.
using plugin_observer = std::function<void(const plugin_event&)>;

}  // namespace sigrun

// What the agent does when one of its protocol plugins is replaced.
#include "kernel/agent/agent.hpp"

namespace sigrun {

void agent::replace_protocol(const std::shared_ptr<instance>& old, const std::shared_ptr<instance>& now) {
    for (const auto& u : uplinks_) u->replace(old, now);
}

void agent::leave_protocol(const std::shared_ptr<instance>& old) {
    for (const auto& u : uplinks_) u->leave_protocol(old);
    const auto* table = old->table<sigrun_protocol>(SIGRUN_KIND_PROTOCOL);
    if (SIGRUN_HAS(table, serve) && SIGRUN_HAS(table->serve, retire)) return;
    for (const auto& l : links()) {
        auto via = l->via.lock();
        if (via && via->protocol() == old && !l->dialled.lock())
            send_text(via, SIGRUN_BYE, R"({"reason":"the plugin is being replaced","reconnect":true})");
    }
}

}  // namespace sigrun

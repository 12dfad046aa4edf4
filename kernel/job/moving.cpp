// Attempts go over to another link of the runner they are on, because the plugin of the old one was replaced. A native runner
// lists them on the new link (recovery.cpp); a foreign one is asked for each.
#include "kernel/job/engine.hpp"
#include "kernel/log/loggers.hpp"

namespace sigrun {
namespace {}

std::unordered_set<const link*> job_engine::links_in_use(const member_ptr& who) {
    std::unordered_set<const link*> all;
    for (const auto& j : placed_.on(who->info->uid())) {
        job_lock lock(j->mutex);
        attempt* a = j->live();
        if (a && !j->settling && a->via) all.insert(a->via.get());
        if (a = j->other(); a && a->via) all.insert(a->via.get());
    }
    return all;
}

void job_engine::move_attempts(const member_ptr& who, const link_ptr& from, const link_ptr& to) {
    for (const auto& j : placed_.on(who->info->uid())) {
        job_lock lock(j->mutex);
        attempt* a = j->live();
        if (!a || j->settling || a->where != who || a->via != from || a->looked_for) continue;
        // Not accepted yet: the runner may not know it, and the answer comes over the link the offer went.
        if (j->state == job_state::offered) continue;
        look_for(j, lock, from, to);
    }
}

void job_engine::look_for(const job_ptr& j, job_lock& lock, const link_ptr& from, const link_ptr& to) {
    attempt& a = *j->live();
    a.looked_for = true;
    auto number = a.number;
    std::string token = a.token;
    // What the old link still brings is recognised by its offset.
    const auto offset = log_offset_of(*j);
    lock.unlock();
    auto uid = j->uid.chars();
    sigrun_attempt which{sizeof(sigrun_attempt), number, {uid.data(), uid.size()}, sdk::str(token)};
    to->attach(which, offset, [this, j, from, to, number](const result<buffer_ref>& found) {
        job_lock inner(j->mutex);
        attempt* now = j->live();
        if (!now || now->number != number) return;
        now->looked_for = false;
        if (!found) {
            SIGRUN_LOG(logs::jobs, debug, "job ", j->uid.text(), " stays with its old link: ", found.error().text());
        } else if (now->via == from) {
            now->via = to;
            auto who = now->where;
            inner.unlock();
            if (!to->alive()) on_link_lost(who, to);  // it was lost while it was asked: nobody says so again
        }
    });
}

}  // namespace sigrun

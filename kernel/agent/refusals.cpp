#include "kernel/agent/refusals.hpp"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

namespace sigrun {
namespace {

sigrun_result send(const link_ptr& via, const assignment_names& whom, const std::string& text) {
    const sigrun_attempt attempt{sizeof(sigrun_attempt), whom.number, sdk::str(whom.job), sdk::str(whom.token)};
    sigrun_frame answer{};
    answer.struct_size = sizeof answer;
    answer.kind = SIGRUN_ACK;
    answer.flags = SIGRUN_FRAME_ERROR;
    answer.stream = SIGRUN_OFFER;
    answer.attempt = &attempt;
    answer.json = sdk::str(text);
    return via->send(answer);
}

}  // namespace

bool refusals::tell(const link_ptr& via, assignment_names whom, std::string text) {
    {
        std::lock_guard lock(mutex_);
        drop_delivered();
        std::erase_if(all_, [&](const entry& e) { return e.whom.number == whom.number && e.whom.job == whom.job; });
        if (all_.size() >= k_most) all_.pop_front();
        all_.push_back({++last_id_, std::move(whom), std::move(text), via, via ? phase::unsent : phase::owed, {}});
    }
    return flush();
}

bool refusals::flush() {
    std::vector<entry> due;
    {
        std::lock_guard lock(mutex_);
        for (const auto& e : all_)
            if (e.now == phase::unsent) due.push_back(e);
    }
    bool room = true;
    for (const auto& d : due) {
        const link_ptr via = d.via.lock();
        const auto r = via ? send(via, d.whom, d.text) : SIGRUN_E_IO;
        std::lock_guard lock(mutex_);
        entry* e = find(d.id);
        // Lost meanwhile, or told over another link.
        if (!e || e->now != phase::unsent || e->via.lock() != via) continue;
        if (r == SIGRUN_E_BUSY) {
            room = false;
            continue;
        }
        e->now = r >= 0 ? phase::sent : phase::owed;
        e->at = clock_.now();
    }
    return room;
}

void refusals::link_lost(const link_ptr& via) {
    std::lock_guard lock(mutex_);
    drop_delivered();
    for (auto& e : all_)
        if (e.via.lock() == via) e.now = phase::owed;
}

void refusals::forget(std::string_view job, std::uint32_t number) {
    std::lock_guard lock(mutex_);
    std::erase_if(all_, [&](const entry& e) { return e.whom.number == number && e.whom.job == job; });
}

void refusals::list(json::array& inventory, std::size_t most) {
    std::lock_guard lock(mutex_);
    std::map<std::pair<std::string_view, std::uint32_t>, const entry*> owed;
    for (const auto& e : all_)
        if (e.now == phase::owed) owed.emplace(std::pair(std::string_view(e.whom.job), e.whom.number), &e);
    if (owed.empty()) return;
    const auto item_of = [](const assignment_names& whom) {
        return json::object{{"job", whom.job},    {"attempt", whom.number}, {"token", whom.token},
                            {"state", "refused"}, {"begun", false},         {"log_bytes", 0}};
    };
    for (auto& item : inventory) {
        auto& o = item.as_object();
        const auto at = owed.find({text_or(o, "job"), number_or<std::uint32_t>(o, "attempt", 0)});
        if (at == owed.end()) continue;
        // Under another token it runs here, and a verdict is by job and number.
        if (text_or(o, "token") == at->second->whom.token) o = item_of(at->second->whom);
        owed.erase(at);
    }
    for (const auto& [which, e] : owed)
        if (inventory.size() < most) inventory.emplace_back(item_of(e->whom));
}

bool refusals::answered(const link_ptr& via, std::string_view job, std::uint32_t number, bool again) {
    if (!again) {
        forget(job, number);
        return true;
    }
    {
        std::lock_guard lock(mutex_);
        entry* e = find(job, number);
        if (!e) return true;
        e->via = via;
        e->now = phase::unsent;
    }
    return flush();
}

refusals::entry* refusals::find(std::string_view job, std::uint32_t number) {
    const auto at = std::find_if(all_.begin(), all_.end(),
                                 [&](const entry& e) { return e.whom.number == number && e.whom.job == job; });
    return at == all_.end() ? nullptr : &*at;
}

refusals::entry* refusals::find(std::uint64_t id) {
    const auto at = std::find_if(all_.begin(), all_.end(), [&](const entry& e) { return e.id == id; });
    return at == all_.end() ? nullptr : &*at;
}

// A dead link is lost within that time, so nobody need keep track of those that live.
void refusals::drop_delivered() {
    const auto now = clock_.now();
    std::erase_if(all_, [&](const entry& e) { return e.now == phase::sent && now - e.at > k_doubtful; });
}

}  // namespace sigrun

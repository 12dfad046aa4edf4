// The last moments of a link that another one has replaced. Nothing new goes over it, but an offer may be unanswered on it,
// and a result may be on its way, which the runner perhaps never says again. So it is closed only when both are certain to
// be through.
//
// Native runners: its successor is asked for the attempts until an answer shows that every attempt has moved there and that
// the runner knows (two answers, since the first one's verdicts must have arrived before the second is given). Then the old
// link itself is asked; its answer comes behind everything the runner had sent over it. Where several links leave at once,
// one question over their successor is for all of them; where the successor leaves, too, its own successor is asked.
// Foreign runners: each running attempt is looked for over the new link, and stays with the old one until it was found.
#include "kernel/link/moves.hpp"
#include "kernel/log/loggers.hpp"

namespace sigrun {
namespace {

constexpr std::chrono::seconds k_native_limit{10};   // longer than an offer may stay unanswered
constexpr std::chrono::minutes k_foreign_limit{10};  // acceptance is an HTTP reply with its own, longer limit
constexpr std::chrono::seconds k_ask_again{2};

}  // namespace

// True while it has links that leave.
bool fleet::look_after_leaving(const member_ptr& m) {
    struct look {
        link_ptr via, next;
        bool late = false;
        bool free = true;
    };
    const bool foreign = m->info->foreign;
    const auto now = clock_.now();
    std::vector<look> all;
    {
        std::lock_guard lock(m->mutex);
        for (const auto& l : m->leaving) {
            look one{l.via, nullptr, now - l.since > (foreign ? nanoseconds(k_foreign_limit) : k_native_limit)};
            for (const auto& s : m->sessions)
                if (s.via->alive() && (!one.next || s.via->protocol_name() == l.via->protocol_name())) one.next = s.via;
            all.push_back(std::move(one));
        }
    }
    const auto in_use = attempts_ ? attempts_->links_in_use(m) : std::unordered_set<const link*>();
    for (auto& each : all) each.free = !in_use.contains(each.via.get());
    for (const auto& each : all) {
        if (foreign) {
            if (each.free || each.late)
                end_leaving(m, each.via);
            else if (each.next)
                attempts_->move_attempts(m, each.via, each.next);
            continue;
        }
        if (stopping_) return false;
        link_ptr ask;
        bool over = each.late;
        {
            std::lock_guard lock(m->mutex);
            auto l = std::find_if(m->leaving.begin(), m->leaving.end(),
                                  [&](const leaving_link& one) { return one.via == each.via; });
            if (l == m->leaving.end()) continue;
            if (!each.free) {
                l->rounds = 0;
                l->last_word = l->done = false;
            }
            over = over || l->done;
            const bool in_vain = !l->last_word && l->asked_over != each.next;  // who was asked leaves now, or is gone
            if (!over && each.next && (l->asked == time_point{} || now - l->asked > k_ask_again || in_vain)) {
                const bool last_word = l->rounds >= 2;
                bool joins = false, waits = false;  // for the answer to a question that another one has asked
                for (const auto& other : m->leaving)
                    if (!last_word && &other != &*l && !other.last_word && other.asked_over == each.next &&
                        other.asked != time_point{} && now - other.asked <= k_ask_again)
                        (other.asked == now ? joins : waits) = true;
                if (joins || !waits) {
                    l->asked = now;
                    l->asked_over = each.next;
                    l->clean = each.free;
                    l->last_word = last_word;
                    if (last_word)
                        ask = l->via;
                    else if (!joins)
                        ask = each.next;
                }
            }
        }
        if (over) end_leaving(m, each.via);
        if (ask) ask_again(m, ask);
    }
    std::lock_guard lock(m->mutex);
    return !m->leaving.empty();
}

// A runner told its facts, and its attempts if it was asked. True if it did so over a link that leaves: then the attempts mean
// nothing.
bool fleet::leaving_answered(const member_ptr& m, const link_ptr& from, bool with_attempts) {
    std::lock_guard lock(m->mutex);
    for (auto& l : m->leaving) {
        if (l.via != from) continue;
        if (l.last_word && with_attempts) l.done = true;
        return true;
    }
    if (!with_attempts) return false;
    for (auto& l : m->leaving) {
        if (l.asked == time_point{} || l.last_word || l.asked_over != from) continue;
        l.asked = {};
        l.rounds = l.clean ? l.rounds + 1 : 0;
    }
    return false;
}

// False: it was none of those that leave.
bool fleet::end_leaving(const member_ptr& m, const link_ptr& via) {
    link_ptr next;
    {
        std::lock_guard lock(m->mutex);
        if (!std::erase_if(m->leaving, [&](const leaving_link& l) { return l.via == via; })) return false;
        for (const auto& s : m->sessions)
            if (s.via->alive()) next = s.via;
    }
    SIGRUN_LOG(logs::fleet, debug, "runner ", m->info->identity.name, " left its old ", via->protocol_name(), " link");
    via->close();
    if (!attempts_) return true;
    attempts_->on_link_lost(m, via);
    // What was cut off goes on over the other link, and what has ended is forgotten there, once the runner has listed it.
    if (next && m->info->foreign)
        attempts_->on_session(m, next);
    else if (next)
        ask_again(m, next);
    return true;
}

}  // namespace sigrun

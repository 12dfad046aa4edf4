// Runners that are set aside: closed for selection with the status error, until their pause is over or an operator resumes them.
#include "kernel/base/json.hpp"
#include "kernel/base/quantity.hpp"
#include "kernel/link/fleet.hpp"
#include "kernel/log/loggers.hpp"

#include <sigrun/cpp/text.hpp>

namespace sigrun {
namespace {

std::string quoted(std::string_view text) { return json::serialize(json::value(json::string(text))); }

}  // namespace

void fleet::note_fault(const member_ptr& m, runner_fault kind, std::uint64_t document, bool others,
                       std::string_view why) {
    const auto now = clock_.now();
    const auto rules = tuned()->quarantine;
    std::string detail, fault;
    {
        std::lock_guard lock(m->info->mutex);
        runner& r = *m->info;
        // Who is on the way out refuses with good reason.
        if (r.identity.admin != admin_state::none || r.leaving) return;
        const bool out = r.conduct.fault(kind, document, others, why, now, rules);
        r.watched = !r.conduct.spotless();
        if (!out) return;
        r.faulty = true;
        const auto until = to_rfc3339(clock_.wall_ns() + r.conduct.lasts().count());
        fault = r.fault = sdk::concat("set aside until ", until, ": ", r.conduct.reason());
        detail = sdk::concat("\"name\":", quoted(r.identity.name), ",\"reason\":", quoted(r.conduct.reason()),
                             ",\"lasts\":\"", format_duration(r.conduct.lasts()), "\",\"until\":\"", until, "\"");
    }
    numbers_
        .get_counter("sigrun_runner_quarantines_total", "Times that a runner was set aside, by cause.",
                     {{"cause", kind == runner_fault::refusal ? "refusals" : "crashes"}})
        .add();
    SIGRUN_LOG(logs::fleet, warning, "runner ", m->info->identity.name, " is ", fault);
    runners_.events().publish(event_type::runner_quarantined, m->info->uid(), {}, std::move(detail));
    refresh_status(m, fault);
    reindex(m);
}

void fleet::note_good(const member_ptr& m) {
    if (!m->info->watched.load(std::memory_order_relaxed)) return;
    {
        std::lock_guard lock(m->info->mutex);
        const bool passed = m->info->conduct.good(clock_.now());
        m->info->watched = !m->info->conduct.spotless();
        if (!passed) return;
    }
    reindex(m);
    refresh_status(m, "its trial job was done");
    tell_released(m, "its trial job");
    has_room(m);
}

// Its pause may be over.
void fleet::try_again(const member_ptr& m) {
    if (!m->info->watched.load(std::memory_order_relaxed)) return;
    std::string reason;
    {
        std::lock_guard lock(m->info->mutex);
        if (!m->info->conduct.try_again(clock_.now())) return;
        m->info->faulty = false;
        reason = "on trial with one job at a time, after it was set aside: " + m->info->conduct.reason();
    }
    reindex(m);
    refresh_status(m, reason);
    runners_.events().publish(event_type::runner_on_trial, m->info->uid(), {},
                              sdk::concat("\"name\":", quoted(m->info->identity.name), ",\"reason\":", quoted(reason)));
    has_room(m);
}

// True if it was set aside or on trial. The status is the caller's to renew.
bool fleet::lift_quarantine(const member_ptr& m) {
    {
        std::lock_guard lock(m->info->mutex);
        const bool was = m->info->conduct.lift();
        m->info->watched = false;
        m->info->faulty = false;
        if (!was) return false;
    }
    reindex(m);
    return true;
}

void fleet::tell_released(const member_ptr& m, std::string_view by) {
    SIGRUN_LOG(logs::fleet, info, "runner ", m->info->identity.name, " is set aside no longer: ", by);
    runners_.events().publish(event_type::runner_released, m->info->uid(), {},
                              sdk::concat("\"name\":", quoted(m->info->identity.name), ",\"by\":", quoted(by)));
}

void fleet::has_room(const member_ptr& m) {
    slot_ref slot;
    {
        std::lock_guard lock(m->mutex);
        if (!m->indexed) return;
        slot = m->slot;
    }
    if (attempts_) attempts_->on_capacity(slot);
}

}  // namespace sigrun

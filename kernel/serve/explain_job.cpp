#include "kernel/serve/explain_job.hpp"

#include "kernel/base/time_text.hpp"
#include "kernel/job/job_json.hpp"
#include "kernel/serve/choice_text.hpp"
#include "kernel/serve/no_match.hpp"
#include "kernel/serve/policy_text.hpp"
#include "kernel/serve/waiting_text.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>
#include <cctype>

namespace sigrun {
namespace {

// The runners that would do but are not online, by name and status.
std::string not_online(controller& c, const requirement& what, const selector::explanation& e) {
    if (e.matching && e.matching == e.matching_open) return {};
    constexpr std::size_t k_named = 3;
    std::string out;
    std::size_t n = 0;
    for (const auto& r : c.runners.all()) {
        std::lock_guard lock(r->mutex);
        const auto status = r->status.status();
        if (status == runner_status::online || status == runner_status::busy || !r->facts) continue;
        match_subject subject{r->facts.get(), &r->identity.labels};
        if (what.matches(subject) != truth::yes || ++n > k_named) continue;
        out += sdk::concat(out.empty() ? "" : "; ", r->identity.name, " is ", to_string(status));
        if (!r->status.reason().empty()) out += " (" + r->status.reason() + ")";
    }
    return n > k_named ? out + sdk::concat("; and ", n - k_named, " more") : out;
}

json::array terms_json(controller& c, const job_spec& spec, const selector::explanation& e) {
    json::array terms;
    for (const auto& t : e.terms) {
        // "(what was written) && (the kind of job)": the latter is told where it matters.
        const auto& written = spec.requires_text;
        const bool of_kind = written.empty() || t.column > written.size() + 1;
        if (of_kind && !t.no && !t.unknown) continue;
        auto term = term_json(c.links, t);
        term["text"] = t.text;
        term["column"] = of_kind ? 0 : t.column - 1;
        term["alone"] = t.alone;
        terms.push_back(std::move(term));
    }
    return terms;
}

// Under the job's lock.
waiting_job waiting_state(controller& c, const job& j) {
    const auto now = c.time.now();
    waiting_job out;
    out.spec = j.spec.get();
    out.denied = j.denied;
    if (j.due[deadline::retry] > now) out.backoff = j.due[deadline::retry] - now;
    if (j.due.has(deadline::queue)) out.expires_in = std::max(j.due[deadline::queue] - now, nanoseconds(0));
    out.failed_on = j.failed_on->size();
    return out;
}

std::string sentence(std::string text) {
    if (text.empty()) return text;
    text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
    if (text.back() != '.' && text.back() != '?') text += '.';
    return text;
}

void tell_waiting(controller& c, json::object& o, const waiting_job& w, const selector::explanation& e,
                  json::array& told) {
    if (auto text = hindrance_text(c, w, e, not_online(c, *w.spec->requirement, e)); !text.empty())
        told.emplace_back(std::move(text));
    for (auto& text : line_texts(c, w)) told.emplace_back(std::move(text));
    o["line"] = line_json(w);
    const auto wait = wait_of(w, e, c.select.standing(*w.spec->pred));
    o["expected_wait"] = nullptr;
    if (!wait.text.empty()) told.emplace_back(wait.text);
    if (wait.known)
        o["expected_wait"] =
            json::object{{"least_ms", wait.least.count() / 1'000'000}, {"most_ms", wait.most.count() / 1'000'000}};
    auto advice = advice_for(c, w, e);
    if (!advice.empty()) told.emplace_back(advice.at("text"));
    o["advice"] = advice.empty() ? json::value() : json::value(std::move(advice));
}

}  // namespace

std::string waiting_reason(controller& c, const job& j, const selector::explanation& e, const std::string& known) {
    const auto absent = not_online(c, *j.spec->requirement, e);
    // Those are no candidates any more: registry.runner_timeout.
    if (e.matching == 0 && !absent.empty()) return "the runners that match have been gone for long: " + absent;
    if (e.runners == 0 && !c.runners.all().empty())
        return "no runner is connected, and none of those that were known is one that matches";
    if (e.runners == 0)
        return "no runner is registered; start one with sigrun-runner or add one with `sigrun runner add`";
    if (e.matching == 0) return no_match_text(c.links, e);
    if (e.matching_open == 0)
        return sdk::concat(e.matching, " of ", e.runners, " runners match, but none of them is online",
                           absent.empty() ? "" : ": ", absent);
    if (e.busy)
        return sdk::concat(e.matching, " of ", e.runners, " runners match; ", e.busy, " of them have no free place",
                           absent.empty() ? "" : "; ", absent);
    return known;
}

json::object explain_job(controller& c, const job_ptr& j) {
    const auto e = c.jobs.explain(j);
    const auto why = waiting_reason(c, *j, e, {});
    auto line = c.jobs.place_in_queue(j);
    auto attempts = attempts_json(c, j);
    const auto blocked = c.jobs.blocked_text(j);
    json::object o{{"id", j->uid.text()},
                   {"runners", e.runners},
                   {"open", e.open},
                   {"matching", e.matching},
                   {"unknown", e.unknown},
                   {"busy", e.busy},
                   {"requires", j->spec->requires_text},
                   {"terms", terms_json(c, *j->spec, e)}};
    std::string reason;
    bool waits = false, of_attempt = false;  // the reason; the latter is told with its attempt
    waiting_job w;
    {
        std::lock_guard lock(j->mutex);
        o["state"] = to_string(j->state);
        waits = j->state == job_state::queued;
        if (j->start_ns) o["start_at"] = to_rfc3339(j->start_ns);
        reason = j->reason.view();
        if (j->state == job_state::delayed)
            reason += sdk::concat(", in ", span_of_time(std::max<std::int64_t>(
                                               (j->due.at(deadline::not_before) - c.time.now()).count(), 0)));
        if (j->state == job_state::blocked && !blocked.empty()) reason = blocked;
        if (const attempt* a = j->current(); a && !is_waiting(j->state)) {
            of_attempt = j->output_trouble->empty() && j->reason.empty();
            reason = of_attempt ? choice_reason(*a)
                     : !j->output_trouble->empty()
                         ? "it stands still: its output cannot be stored: " + *j->output_trouble
                         : j->reason.text();
        }
        // What waits for its backoff, for the retry budget or by choice would not take a place now.
        if (waits && !why.empty() && !j->reason.view().starts_with("waits to run again") && !j->rather_waits)
            reason = why;
        w = waiting_state(c, *j);
    }
    w.line = line;
    json::array told;
    if (!reason.empty() && !of_attempt) told.emplace_back(sentence(reason));
    o["reason"] = reason;
    o["hindrances"] = hindrance_json(c, e);
    if (waits) tell_waiting(c, o, w, e, told);
    for (auto& text : attempt_texts(attempts)) told.emplace_back(std::move(text));
    o["policy"] = policy_json(c, *j->spec);
    if (auto text = policy_text(o["policy"]); !text.empty()) told.emplace_back(std::move(text));
    o["attempts"] = std::move(attempts);
    o["candidates_now"] = candidates_json(c, e);
    o["answer"] = std::move(told);
    return o;
}

}  // namespace sigrun

#include "kernel/serve/waiting_text.hpp"

#include "kernel/base/time_text.hpp"
#include "kernel/job/runner_terms.hpp"
#include "kernel/serve/choice_text.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>
#include <cmath>

namespace sigrun {
namespace {

constexpr std::uint32_t k_enough_jobs = 10;  // that ended, before their mean says something
constexpr std::size_t k_told_absences = 3;

std::string count_of(std::uint64_t n, std::string_view one, std::string_view many) {
    return sdk::concat(n, " ", n == 1 ? one : many);
}

std::string jobs_text(std::uint64_t n) { return count_of(n, "job", "jobs"); }

void add(std::string& to, std::string_view part) {
    if (!to.empty()) to += ", ";
    to += part;
}

std::string protocols_text(const fleet& links, protocol_mask mask) {
    std::string out;
    for (std::uint8_t i = 0; i < 16; ++i)
        if (mask >> i & 1) add(out, links.protocol_name(i));
    return out;
}

std::string cause_text(const ejection& e) {
    const auto share = [](double x) { return std::to_string(std::lround(x * 100)) + " %"; };
    switch (e.why) {
        case ejection_cause::failures_in_a_row: return "too many jobs in a row failed there";
        case ejection_cause::failed_on_trial: return "it failed again when it was tried";
        case ejection_cause::success_rate:
            return sdk::concat("only ", share(e.success), " of its jobs succeed, elsewhere ", share(e.others));
    }
    return {};
}

std::string absences_text(controller& c, const selector::explanation& e) {
    std::string out;
    for (std::size_t i = 0; i < e.absences.size() && i < k_told_absences; ++i) {
        const auto& a = e.absences[i];
        out += sdk::concat(i ? "; " : "", runner_at(c, a.what.slot), " for another ", span_of_time(a.left.count()),
                           ": ", cause_text(a.what));
    }
    return out;
}

bool urgent(const waiting_job& j) noexcept { return j.spec->priority <= priority_band::high; }

json::object advice(std::string_view kind, std::string text) { return {{"kind", kind}, {"text", std::move(text)}}; }

json::object advice_on_terms(controller& c, const waiting_job& j, const selector::explanation& e) {
    const selector::term_count* best = nullptr;
    for (const auto& t : e.terms)
        if (t.alone && (!best || t.alone > best->alone)) best = &t;
    if (!best) {
        if (!e.runners) return {};
        return advice("several_terms", "No single change is enough: every runner fails at least two of the terms.");
    }
    auto text = sdk::concat("Without `", best->text, "` ", best->alone, " of ", e.runners,
                            e.runners == 1 ? " runner" : " runners", " would match");
    const auto name = runner_at(c, best->alone_at);
    // "(what was written) && (the kind of job)"
    const auto& written = j.spec->requires_text;
    const bool own = written.empty() || best->column > written.size() + 1;
    if (own && is_about_signature(best->text))
        text =
            sdk::concat(j.spec->signature ? "Signed with a key that it trusts (now " + j.spec->signature->key_id + ")"
                                          : std::string("Signed (`sigrun run --sign`) with a key that it trusts"),
                        ", ", best->alone, best->alone == 1 ? " more runner" : " more runners", " would match");
    else if (own)
        text = sdk::concat("It needs a runner for jobs of kind ", j.spec->kind, "; ", best->alone,
                           best->alone == 1 ? " runner lacks" : " runners lack", " nothing but that");
    if (!best->alone_closest.empty())
        text += sdk::concat("; the nearest to it has ", best->alone_closest, " (", name, ")");
    else if (!name.empty())
        text += best->alone > 1 ? ", among them " + name : ": " + name;
    auto o = advice("term", text + ".");
    o["term"] = best->text;
    o["runners"] = best->alone;
    o["value"] = best->alone_closest;
    o["runner"] = name;
    return o;
}

json::object advice_on_closed(controller& c, const selector::explanation& e) {
    const auto name = runner_at(c, e.closed_at);
    runner_status status = runner_status::offline;
    if (const auto m = c.links.at(e.closed_at)) {
        std::lock_guard lock(m->info->mutex);
        status = m->info->status.status();
    }
    const bool by_hand = status == runner_status::draining || status == runner_status::maintenance;
    const auto what = by_hand ? sdk::concat("`sigrun runner resume ", name, "` lets it run there.")
                      : status == runner_status::offline ? sdk::concat("It runs when ", name, " is connected again.")
                                                         : sdk::concat("It runs when ", name, " is healthy again.");
    auto o = advice(by_hand ? "resume" : "connect", what);
    o["runner"] = name;
    return o;
}

json::object advice_on_places(controller& c, const waiting_job& j, const selector::explanation& e) {
    if (e.kept && !urgent(j)) {
        auto o = advice("priority", sdk::concat("With priority high it may take one of the ", e.kept_places,
                                                e.kept_places == 1 ? " place" : " places", " kept for urgent jobs."));
        o["places"] = e.kept_places;
        return o;
    }
    const auto name = runner_at(c, e.full_at);
    std::uint32_t places = 0;
    for (const auto& one : e.best)
        if (one.slot == e.full_at) places = one.places;
    auto text = e.full == 1 ? sdk::concat("It runs when ", name, " has a free place")
                            : sdk::concat("It runs when one of ", e.full, " runners has a free place");
    if (places)
        text += sdk::concat("; sooner if ", name, " takes ", jobs_text(places + 1), " at once instead of ", places,
                            " (sigrun-runner --slots), or one more runner that matches joins");
    auto o = advice("place", text + ".");
    o["runners"] = e.full;
    o["runner"] = name;
    o["slots"] = places;
    return o;
}

}  // namespace

std::string hindrance_text(controller& c, const waiting_job& j, const selector::explanation& e,
                           const std::string& not_online) {
    if (!e.matching) return {};
    std::string parts;
    if (e.free) add(parts, count_of(e.free, "has a free place", "have a free place"));
    if (e.full)
        add(parts, sdk::concat(count_of(e.full, "has", "have"), " no free place (", e.in_flight, " of ", e.places,
                               e.places == 1 ? " place" : " places", " taken)"));
    if (e.kept)
        add(parts, sdk::concat(count_of(e.kept, "keeps", "keep"), " the last ", e.kept_places,
                               e.kept_places == 1 ? " place" : " places", " for jobs of priority high or critical"));
    if (e.closed)
        add(parts, sdk::concat(count_of(e.closed, "is", "are"), " not online",
                               not_online.empty() ? "" : " (" + not_online + ")"));
    if (e.ejected) add(parts, sdk::concat(count_of(e.ejected, "is", "are"), " ejected (", absences_text(c, e), ")"));
    if (e.on_trial)
        add(parts, count_of(e.on_trial, "is on trial after an ejection and busy with its one job",
                            "are on trial after an ejection and busy with their one job"));
    if (e.other_protocol)
        add(parts,
            sdk::concat(count_of(e.other_protocol, "is", "are"), " connected only over ",
                        protocols_text(c.links, e.other_protocols), ", and the job asks for ", j.spec->protocol));
    return sdk::concat(e.matching, " of ", e.runners, e.runners == 1 ? " runner matches: " : " runners match: ", parts,
                       ".");
}

json::object hindrance_json(controller& c, const selector::explanation& e) {
    json::array absences;
    for (const auto& a : e.absences)
        absences.push_back(json::object{{"runner", runner_at(c, a.what.slot)},
                                        {"left_ms", a.left.count() / 1'000'000},
                                        {"why", cause_text(a.what)}});
    return {{"free", e.free},
            {"full", e.full},
            {"kept_for_urgent", e.kept},
            {"kept_places", e.kept_places},
            {"closed", e.closed},
            {"ejected", e.ejected},
            {"on_trial", e.on_trial},
            {"other_protocol", e.other_protocol},
            {"places", e.places},
            {"in_flight", e.in_flight},
            {"absences", std::move(absences)}};
}

std::vector<std::string> line_texts(controller& c, const waiting_job& j) {
    std::vector<std::string> out;
    if (j.denied) {
        const auto [retries, attempts] = c.jobs.retries();
        out.push_back(sdk::concat("The retry budget holds it back (jobs.retry_budget): ", retries,
                                  retries == 1 ? " retry" : " retries", " and ", attempts, " other ",
                                  attempts == 1 ? "attempt" : "attempts", " are under way."));
    } else if (j.backoff.count() > 0) {
        out.push_back(sdk::concat("Its next attempt begins in ", span_of_time(j.backoff.count()), " at the earliest."));
    }
    if (j.failed_on)
        out.push_back(sdk::concat("It failed on ", count_of(j.failed_on, "runner", "runners"),
                                  ", left out for as long as another one could run it."));
    if (j.line) {
        auto text = j.line->before ? sdk::concat(jobs_text(j.line->before), " of the same requirement ",
                                                 j.line->before == 1 ? "is" : "are", " before it")
                                   : std::string("It is the first in line for its requirement");
        if (j.line->others)
            text += sdk::concat("; it takes turns with ", jobs_text(j.line->others), " of ",
                                count_of(j.line->other_tenants, "other tenant", "other tenants"), ", and up to ",
                                j.line->turns_before, " of them may come first (its tenant's weight is ",
                                j.spec->tenant_account->weight.load(), ")");
        out.push_back(text + ".");
    }
    auto limit = [&](const wait_account& a, std::string_view what) {
        const auto most = a.most.load(), waiting = a.waiting.load();
        if (!most) return;
        const auto whose =
            a.name.empty() ? sdk::concat("without a ", what) : sdk::concat("of ", what, " \"", a.name, "\"");
        out.push_back(sdk::concat("Of the jobs ", whose, ", ", waiting, waiting == 1 ? " waits" : " wait",
                                  " and at most ", most, " may."));
    };
    limit(*j.spec->tenant_account, "tenant");
    limit(*j.spec->queue_account, "queue");
    if (j.expires_in.count() >= 0)
        out.push_back(sdk::concat("Without a place it expires in ", span_of_time(j.expires_in.count()), "."));
    return out;
}

json::object line_json(const waiting_job& j) {
    json::object o{{"denied_by_retry_budget", j.denied},
                   {"backoff_ms", j.backoff.count() / 1'000'000},
                   {"failed_on", j.failed_on},
                   {"tenant",
                    {{"name", j.spec->tenant_account->name},
                     {"weight", j.spec->tenant_account->weight.load()},
                     {"waiting", j.spec->tenant_account->waiting.load()},
                     {"max_waiting", j.spec->tenant_account->most.load()}}},
                   {"queue",
                    {{"name", j.spec->queue_account->name},
                     {"waiting", j.spec->queue_account->waiting.load()},
                     {"max_waiting", j.spec->queue_account->most.load()}}}};
    o["expires_in_ms"] = nullptr;
    if (j.expires_in.count() >= 0) o["expires_in_ms"] = j.expires_in.count() / 1'000'000;
    o["before"] = nullptr;
    if (!j.line) return o;
    o["before"] = j.line->before;
    o["others"] = j.line->others;
    o["other_tenants"] = j.line->other_tenants;
    o["turns_before"] = j.line->turns_before;
    o["band"] = to_string(static_cast<priority_band>(j.line->band));
    return o;
}

// Places that are all taken become free about like a Poisson process, one each mean / places; a single place at its end.
expected_wait wait_of(const waiting_job& j, const selector::explanation& e, const class_standing& jobs) {
    expected_wait out;
    const bool held = j.denied || j.backoff.count() > 0;
    if (!j.line || held || !e.places || e.free || !(e.full || e.kept)) return out;
    if (jobs.samples < k_enough_jobs) {
        out.text = sdk::concat(
            "How long it will wait is not known: ", jobs.samples ? "only " + jobs_text(jobs.samples) : "no job",
            " of this requirement ", jobs.samples > 1 ? "have" : "has", " succeeded so far, and it takes ",
            k_enough_jobs, " to say.");
        return out;
    }
    const double each = jobs.mean_exec_us / static_cast<double>(e.places);
    auto spread = [&](double n) {
        return each * std::sqrt(n) * (e.places > 1 ? std::max(1.0, jobs.exec_cv) : jobs.exec_cv);
    };
    const auto least_n = static_cast<double>(j.line->before);
    const auto most_n = static_cast<double>(j.line->before + j.line->turns_before + 1);
    auto ns = [](double us) { return nanoseconds(static_cast<std::int64_t>(us * 1e3)); };
    out.least = ns(std::max(0.0, least_n * each - spread(least_n)));
    out.most = ns(most_n * each + spread(most_n));
    out.known = true;
    out.text = sdk::concat(
        "It will wait about ", span_of_time(out.least.count()), " to ", span_of_time(out.most.count()),
        ", if what runs there takes as long as the ", jobs.samples,
        " jobs of this requirement that succeeded: ", span_of_time(static_cast<std::int64_t>(jobs.mean_exec_us * 1e3)),
        " on average, on ", e.places, e.places == 1 ? " place." : " places.");
    return out;
}

json::object advice_for(controller& c, const waiting_job& j, const selector::explanation& e) {
    if (j.denied || j.backoff.count() > 0) return {};
    if (!e.runners) return advice("runner", "Start a runner with sigrun-runner, or add one with `sigrun runner add`.");
    if (!e.matching) return advice_on_terms(c, j, e);
    if (e.free) return {};
    if (e.full || e.kept) return advice_on_places(c, j, e);
    if (e.other_protocol) {
        const auto names = protocols_text(c.links, e.other_protocols);
        auto o = advice(
            "protocol",
            sdk::concat("If the job allows ", names, ", ", count_of(e.other_protocol, "runner", "runners"),
                        " could run it: ", e.other_protocol > 1 ? "among them " : "", runner_at(c, e.other_at), "."));
        o["protocols"] = names;
        o["runner"] = runner_at(c, e.other_at);
        return o;
    }
    if (e.ejected && !e.absences.empty()) {
        const auto& first = e.absences.front();
        const auto name = runner_at(c, first.what.slot);
        auto o = advice("ejection", sdk::concat(name, " is tried again in ", span_of_time(first.left.count()),
                                                "; one more runner that matches would not have to wait for that."));
        o["runner"] = name;
        return o;
    }
    if (e.closed) return advice_on_closed(c, e);
    return {};
}

}  // namespace sigrun

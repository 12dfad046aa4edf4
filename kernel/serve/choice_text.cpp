#include "kernel/serve/choice_text.hpp"

#include "kernel/base/time_text.hpp"
#include "kernel/job/job_json.hpp"
#include "kernel/serve/trace_json.hpp"

#include <sigrun/balancer.h>
#include <sigrun/cpp/text.hpp>

#include <cmath>

namespace sigrun {
namespace {

constexpr std::size_t k_told_attempts = 5;  // as sentences; the newest

double rounded(double x) noexcept { return std::round(x * 1000) / 1000; }

std::string tier_text(int tier) {
    if (tier < 0) return "it can take no job";
    if (tier < SIGRUN_TIERS)
        return sdk::concat("tier ", tier, " (0 = idle and fast .. ", SIGRUN_TIERS - 1, " = loaded)");
    return tier == SIGRUN_TIERS ? "a place kept for urgent jobs" : "an ejected runner";
}

json::object standing_json(const runner_standing& s, std::uint32_t in_flight) {
    return {{"in_flight", in_flight},
            {"relative_cost", rounded(s.relative_cost)},
            {"relative_time", rounded(s.relative_time)},
            {"success", rounded(s.success)},
            {"slow_start", rounded(s.slow_start)},
            {"samples", s.samples},
            {"ejected", s.ejected},
            {"on_trial", s.on_trial}};
}

std::string standing_text(const json::object& now) {
    auto number = [&](const char* member) { return now.at(member).to_number<double>(); };
    const auto in_flight = now.at("in_flight").to_number<std::uint64_t>();
    const auto samples = now.at("samples").to_number<std::uint64_t>();
    std::string out = sdk::concat(in_flight, in_flight == 1 ? " job" : " jobs", " in flight");
    if (samples)
        out += sdk::concat(", a job there costs ", three_digits(number("relative_cost")), " times the mean and ",
                           std::lround(number("success") * 100), " % succeed");
    if (number("slow_start") < 1)
        out += sdk::concat(", in its slow start (", std::lround(number("slow_start") * 100), " %)");
    if (now.at("ejected").as_bool()) out += ", ejected";
    if (now.at("on_trial").as_bool()) out += ", on trial";
    return out;
}

/// How an attempt ended that was not good; begins with a space.
std::string end_text(const json::object& attempt) {
    const auto why = text_or(attempt, "ended"), state = text_or(attempt, "state");
    if (why.empty()) return {};
    const bool passive = state == "lost" || state == "cancelled" || state == "refused";
    return sdk::concat(" It ", passive ? "was " : "", state, ": ", why, ".");
}

std::string ordinal(std::uint64_t n) {
    static constexpr const char* names[] = {"first", "second", "third", "fourth"};
    return n < std::size(names) ? names[n] : std::to_string(n + 1) + "th";
}

}  // namespace

std::string runner_at(const controller& c, slot_ref slot) {
    const auto m = c.links.at(slot);
    return m ? m->info->identity.name : std::string();
}

json::array attempts_json(controller& c, const job_ptr& j) {
    json::array out;
    std::vector<std::pair<slot_ref, id>> where;
    {
        std::lock_guard lock(j->mutex);
        for (const auto& a : j->attempts) {
            json::object o{{"number", a.number},     {"state", to_string(a.state)}, {"runner", a.runner_name},
                           {"balancer", a.balancer}, {"protocol", a.protocol},      {"reason", choice_reason(a)},
                           {"ended", a.why.message}};
            o["choice"] = nullptr;
            // One that was read from disk has its reason alone.
            if (a.reason.empty())
                o["choice"] = json::object{{"why", pick_reason(a)},
                                           {"built_in", a.explain.policy == 0},
                                           {"tier", a.explain.tier},
                                           {"tier_text", tier_text(a.explain.tier)},
                                           {"rank", a.explain.rank},
                                           {"score", a.explain.score},
                                           {"confidence", a.explain.confidence},
                                           {"after_waiting", a.late},
                                           {"protocol_why", rung_reason(a)}};
            const auto trace = a.trace.lock();
            o["trace"] = trace ? json::value(trace_json(*trace)) : json::value();
            where.emplace_back(a.place, a.runner);
            out.push_back(std::move(o));
        }
    }
    for (std::size_t i = 0; i < where.size(); ++i) {
        const auto& [slot, runner] = where[i];
        const auto m = c.links.at(slot);
        auto& o = out[i].as_object();
        o["runner_now"] = nullptr;
        if (m && m->info->uid() == runner)
            o["runner_now"] = standing_json(c.select.standing(slot), c.select.in_flight(slot));
    }
    return out;
}

std::vector<std::string> attempt_texts(const json::array& attempts) {
    std::vector<std::string> out;
    const std::size_t first = attempts.size() > k_told_attempts ? attempts.size() - k_told_attempts : 0;
    if (first) out.push_back(sdk::concat("Of ", attempts.size(), " attempts, the last ", k_told_attempts, ":"));
    for (std::size_t i = first; i < attempts.size(); ++i) {
        const json::object& a = attempts[i].as_object();
        const auto number = a.at("number").to_number<std::uint64_t>();
        const json::object* choice = a.at("choice").if_object();
        if (!choice) {
            out.push_back(
                sdk::concat("Attempt ", number, " (from before a restart): ", text_or(a, "reason"), ".", end_text(a)));
            continue;
        }
        std::string text = choice->at("built_in").as_bool()
                               ? sdk::concat("Attempt ", number,
                                             ": no balancer named a runner with a free place, so the "
                                             "built-in choice took ",
                                             text_or(a, "runner"), " (", text_or(*choice, "why"), ").")
                               : sdk::concat("Attempt ", number, ": ", text_or(a, "balancer"), " chose ",
                                             text_or(a, "runner"), ": ", text_or(*choice, "why"), ".");
        if (const auto rank = choice->at("rank").to_number<std::uint64_t>())
            text += sdk::concat(" It was its ", ordinal(rank), " proposal; those before it were just taken.");
        text += sdk::concat(" Then it was in ", text_or(*choice, "tier_text"), ". Protocol ", text_or(a, "protocol"),
                            ": ", text_or(*choice, "protocol_why"), ".", end_text(a));
        out.push_back(std::move(text));
        if (const json::object* now = a.at("runner_now").if_object())
            out.push_back(sdk::concat("Now ", text_or(a, "runner"), " has ", standing_text(*now), "."));
        else
            out.push_back(sdk::concat("Now ", text_or(a, "runner"), " is not known any more."));
    }
    return out;
}

json::array candidates_json(controller& c, const selector::explanation& e) {
    json::array out;
    for (const auto& one : e.best)
        out.push_back(json::object{{"runner", runner_at(c, one.slot)},
                                   {"tier", one.tier},
                                   {"tier_text", tier_text(one.tier)},
                                   {"in_flight", one.in_flight},
                                   {"places", one.places},
                                   {"relative_cost", rounded(one.relative_cost)}});
    return out;
}

}  // namespace sigrun

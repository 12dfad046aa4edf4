#include "kernel/serve/policy_text.hpp"

#include "kernel/base/quantity.hpp"
#include "kernel/base/time_text.hpp"

#include <sigrun/cpp/text.hpp>

#include <array>
#include <cmath>

namespace sigrun {
namespace {

constexpr std::array<std::string_view, 4> k_why{"prior", "evidence", "rollback", "lost"};
constexpr std::array<std::string_view, 4> k_because{
    "by what is known of the fleet and of such jobs without trying",
    "for jobs were done sooner with it than with the one before",
    "for the one after it made them no faster",
    "for the one before it is not loaded any more",
};

double rounded(double x) noexcept { return std::round(x * 1000) / 1000; }

json::value figures_json(const policy_figures& f) {
    if (!f.jobs) return nullptr;
    return json::object{{"jobs", f.jobs}, {"mean", rounded(f.mean)}, {"p99", rounded(f.p99)}};
}

std::string figures_text(const json::value& figures) {
    const json::object* f = figures.if_object();
    return f ? sdk::concat(" (", f->at("jobs").to_number<std::uint64_t>(), " jobs lately, from submit to end ",
                           three_digits(f->at("mean").to_number<double>()), " times their mean execution time)")
             : std::string();
}

}  // namespace

json::value policy_json(const controller& c, const job_spec& spec) {
    const std::string chooser = c.select.chooser(spec.balancer_id);
    if (chooser.empty()) return nullptr;
    const policy_standing now = c.select.policy_of(*spec.pred);
    json::object o{{"chosen_by", chooser}, {"policy", nullptr}};
    if (now.policy.empty()) return o;
    o["policy"] = now.policy;
    o["why"] = k_why[static_cast<std::size_t>(now.why)];
    o["because"] = k_because[static_cast<std::size_t>(now.why)];
    o["for_ms"] = now.since.count() / 1'000'000;
    o["lately"] = figures_json(now.picking);
    o["tried"] = nullptr;
    if (!now.tried.empty())
        o["tried"] = json::object{
            {"policy", now.tried}, {"share", rounded(now.tried_share)}, {"lately", figures_json(now.trying)}};
    return o;
}

std::string policy_text(const json::value& policy) {
    const json::object* o = policy.if_object();
    if (!o) return {};
    const auto chooser = text_or(*o, "chosen_by");
    if (o->at("policy").is_null())
        return sdk::concat(chooser,
                           " chooses which balancer picks; it has not seen a job of this requirement end yet.");
    std::string out =
        sdk::concat(chooser, " lets ", text_or(*o, "policy"), " pick for this requirement, ", text_or(*o, "because"),
                    figures_text(o->at("lately")), "; so for ",
                    format_duration(std::chrono::milliseconds(o->at("for_ms").to_number<std::int64_t>())));
    if (const json::object* tried = o->at("tried").if_object())
        out += sdk::concat(". It tries ", text_or(*tried, "policy"), " with ",
                           three_digits(tried->at("share").to_number<double>() * 100), " % of the jobs",
                           figures_text(tried->at("lately")));
    return out + ".";
}

}  // namespace sigrun

#include "kernel/serve/no_match.hpp"

#include "kernel/job/runner_terms.hpp"

#include <sigrun/cpp/text.hpp>

namespace sigrun {
namespace {

constexpr std::size_t k_told_terms = 3;
constexpr std::size_t k_told_causes = 3;

std::string name_at(const fleet& links, slot_ref slot) {
    const auto m = links.at(slot);
    return m ? m->info->identity.name : std::string();
}

void add(std::string& to, const std::string& part) {
    if (!to.empty()) to += ", ";
    to += part;
}

std::string causes_text(const fleet& links, const selector::term_count& t) {
    std::string out;
    for (std::size_t i = 0; i < t.causes.size() && i < k_told_causes; ++i) {
        const auto& cause = t.causes[i];
        const auto name = name_at(links, cause.example);
        out += out.empty() ? "" : "; ";
        if (!name.empty()) out += sdk::concat(name, cause.runners > 1 ? " and others: " : ": ");
        out += cause.why;
    }
    return out;
}

std::string term_text(const fleet& links, const selector::term_count& t, std::uint32_t runners) {
    std::string out;
    if (t.absent)
        add(out, sdk::concat(t.absent == runners ? "all" : std::to_string(t.absent),
                             t.absent == 1 && runners > 1 ? " has no " : " have no ", t.absent_key));
    if (!t.closest.empty()) {
        const auto name = name_at(links, t.closest_at);
        add(out, sdk::concat("the closest is ", t.closest, name.empty() ? "" : " on ", name));
    } else if (t.no > t.absent) {
        add(out, sdk::concat(t.no - t.absent, t.no - t.absent == 1 ? " is another" : " are others"));
    }
    if (t.unknown) {
        const auto causes = causes_text(links, t);
        add(out, sdk::concat("of ", t.unknown == runners ? "all" : std::to_string(t.unknown), " nobody knows",
                             causes.empty() ? "" : " (" + causes + ")"));
    }
    return out;
}

}  // namespace

std::string no_match_text(const fleet& links, const selector::explanation& e) {
    auto out =
        sdk::concat("none of ", e.runners, e.runners == 1 ? " runner" : " runners", " satisfies the requirement");
    std::size_t told = 0;
    for (const auto& t : e.terms) {
        if (!t.no && !t.unknown) continue;
        if (told++ == k_told_terms) break;
        if (is_about_signature(t.text)) {
            out +=
                sdk::concat("; ", t.no, t.no == 1 ? " runs" : " run", " only jobs that are signed by a key it trusts");
            continue;
        }
        if (t.unknown == e.runners) {
            out += sdk::concat("; nobody can tell whether ", t.text);
            if (!t.nearest_key.empty())
                out += ", did you mean " + t.nearest_key + "?";
            else if (const auto causes = causes_text(links, t); !causes.empty())
                out += " (" + causes + ")";
            continue;
        }
        out += sdk::concat("; ", t.text, ": ", term_text(links, t, e.runners));
    }
    return out;
}

json::object term_json(const fleet& links, const selector::term_count& t) {
    json::object o{{"false", t.no}, {"unknown", t.unknown}, {"nearest_key", t.nearest_key}, {"absent", t.absent}};
    o["closest"] = nullptr;
    if (!t.closest.empty()) o["closest"] = json::object{{"value", t.closest}, {"runner", name_at(links, t.closest_at)}};
    json::array causes;
    for (const auto& cause : t.causes)
        causes.push_back(
            json::object{{"why", cause.why}, {"runners", cause.runners}, {"runner", name_at(links, cause.example)}});
    o["causes"] = std::move(causes);
    return o;
}

}  // namespace sigrun

#include "kernel/job/submission.hpp"

#include "kernel/config/settings.hpp"
#include "kernel/job/job_matrix.hpp"
#include "kernel/job/need_outputs.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

namespace sigrun {
namespace {

constexpr std::size_t k_most_needs = 256;    // as written
constexpr std::size_t k_most_ties = 16'384;  // with all combinations
const std::vector<std::string> k_members{"jobs", "defaults", "signatures"};
// What is said of a job here, and is no part of its own document.
constexpr std::array<std::string_view, 5> k_about{"name", "needs", "when", "matrix", "exclude"};

bool is_about(std::string_view field) { return std::find(k_about.begin(), k_about.end(), field) != k_about.end(); }

std::string shown(const json::value& v) { return json::serialize(v).substr(0, 80); }

bool is_job_name(std::string_view text) {
    const auto allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
               c == '.';
    };
    return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), allowed);
}

// What the entry leaves open; of objects, such as env, each member.
void add_defaults(json::object& job, const json::object& defaults) {
    for (const auto& [key, value] : defaults) {
        auto* own = job.if_contains(key);
        if (!own) {
            job[key] = value;
        } else if (own->is_object() && value.is_object()) {
            for (const auto& [name, inner] : value.get_object())
                if (!own->get_object().contains(name)) own->get_object()[name] = inner;
        }
    }
}

struct reader {
    std::vector<submitted_job> jobs{};
    std::vector<std::vector<std::pair<std::string, std::string>>> wanted{};  // per job: names it needs, and the fields
    std::map<std::string, std::vector<std::size_t>, std::less<>> by_name{};  // both of jobs and of all of a matrix
    std::size_t bytes = 0;
    const json::object* signatures = nullptr;  // by name
    std::size_t signed_jobs = 0;               // of those

    result<void> needs_of(const json::value* v, const std::string& field) {
        auto& into = wanted.emplace_back();
        if (!v) return {};
        const auto* list = v->if_array();
        if (!list || list->size() > k_most_needs)
            return bad_value(field, "an array of at most 256 names of jobs", shown(*v));
        for (std::size_t i = 0; i < list->size(); ++i) {
            const auto at = sdk::concat(field, "[", i, "]");
            if (!(*list)[i].is_string()) return bad_value(at, "the name of a job", shown((*list)[i]));
            into.emplace_back(std::string((*list)[i].get_string()), at);
        }
        return {};
    }

    // One job, which has its final name; `o` is its entry without a matrix.
    result<void> add(const std::string& name, json::object o, const std::string& field) {
        if (jobs.size() == k_most_submitted)
            return problem{errc::too_large, "too many jobs", "jobs",
                           "at most " + std::to_string(k_most_submitted) + " with all combinations", "more"};
        submitted_job j;
        j.name = name;
        j.field = field;
        if (const auto* when = o.if_contains("when")) {
            const auto known = when->is_string() ? parse_need_condition(when->get_string()) : std::nullopt;
            if (!known) return bad_value(field + ".when", "one of success, failure, always", shown(*when));
            j.when = *known;
        }
        SIGRUN_CHECK_OK(needs_of(o.if_contains("needs"), field + ".needs"));
        if (o.contains("when") && wanted.back().empty())
            return bad_value(field + ".when", "needs that it is about", "none");
        json::object own;  // in the order it was written in: who erases members of `o` changes that
        for (const auto& [key, value] : o)
            if (!is_about(key)) own[key] = value;
        if (const auto* signature = signatures ? signatures->if_contains(name) : nullptr) {
            if (own.contains("signature"))
                return bad_value(field + ".signature", "a signature here or in signatures", "both");
            own["signature"] = *signature;
            ++signed_jobs;
        }
        j.document = json::serialize(own);
        bytes += j.document.size();
        if (bytes > k_most_expanded)
            return problem{errc::too_large, "the jobs are too large", "jobs", "at most 16 MiB in all", "more"};
        by_name[name].push_back(jobs.size());
        jobs.push_back(std::move(j));
        return {};
    }

    result<void> entry(const json::value& v, std::size_t at, const json::object& defaults) {
        const auto place = sdk::concat("jobs[", at, "]");
        const auto* given = v.if_object();
        if (!given) return bad_value(place, "a job: {\"name\": .., \"command\": ..}", shown(v));
        const auto* name = given->if_contains("name");
        if (!name || !name->is_string() || !is_job_name(name->get_string()))
            return bad_value(place + ".name", "at most 64 letters, digits, _, - and .",
                             name ? shown(*name) : "nothing");
        const std::string own(name->get_string());
        const auto field = "jobs." + own;
        if (by_name.contains(own)) return bad_value(place + ".name", "a name of its own", "\"" + own + "\" again");
        json::object o = *given;
        add_defaults(o, defaults);
        const auto* matrix = o.if_contains("matrix");
        if (!matrix) {
            if (o.contains("exclude")) return bad_value(field + ".exclude", "a matrix that it is about", "none");
            return add(own, std::move(o), field);
        }
        SIGRUN_TRY(rows, matrix_rows(*matrix, o.if_contains("exclude"), field));
        json::object rest;
        for (const auto& [key, value] : o)
            if (key != "matrix" && key != "exclude") rest[key] = value;
        const json::value pattern(std::move(rest));
        std::vector<std::size_t> all;
        for (const auto& row : rows) {
            SIGRUN_TRY(one, with_row(pattern, row, field));
            all.push_back(jobs.size());
            SIGRUN_CHECK_OK(add(row_name(own, row), std::move(one.as_object()), field));
        }
        by_name[own] = std::move(all);
        return {};
    }

    result<void> find_needs() {
        std::vector<std::string> names;
        for (const auto& [name, places] : by_name) names.push_back(name);
        std::vector<std::size_t> needed_by(jobs.size(), jobs.size());  // last
        std::size_t ties = 0;
        for (std::size_t i = 0; i < jobs.size(); ++i) {
            for (const auto& [name, field] : wanted[i]) {
                const auto found = by_name.find(name);
                if (found == by_name.end()) {
                    const auto near = nearest_name(name, names);
                    return bad_value(field,
                                     near.empty() ? "a job of this submission"
                                                  : "a job of this submission, perhaps \"" + near + "\"",
                                     "\"" + name.substr(0, 80) + "\"");
                }
                for (const auto need : found->second) {
                    if (std::exchange(needed_by[need], i) == i)
                        return bad_value(field, "each job once", "\"" + name + "\" again");
                    if (++ties > k_most_ties)
                        return problem{errc::too_large, "the jobs need each other too often", field,
                                       sdk::concat("at most ", k_most_ties, " needs in all"), "more"};
                    jobs[i].needs.push_back(need);
                }
            }
        }
        return {};
    }

    result<void> check_outputs() const {
        for (const auto& j : jobs) {
            if (!may_refer_to_outputs(j.document)) continue;
            std::vector<std::string> needs;
            for (const auto need : j.needs) needs.push_back(jobs[need].name);
            SIGRUN_TRY(job, parse_object(j.document));
            SIGRUN_CHECK_OK(check_output_references(job, needs, j.field));
        }
        return {};
    }

    result<void> check_signatures() const {
        if (!signatures || signed_jobs == signatures->size()) return {};
        std::string name;
        for (const auto& each : *signatures)
            if (const auto found = by_name.find(std::string_view(each.key()));
                found == by_name.end() || jobs[found->second.front()].name != each.key())
                name = each.key();
        return bad_value("signatures", "the whole names of jobs of this submission", "\"" + name.substr(0, 80) + "\"");
    }

    // By depth first, without recursion: a chain may be as long as there are jobs.
    result<void> no_circle() const {
        enum class mark : std::uint8_t { fresh, open, done };
        std::vector<mark> marks(jobs.size(), mark::fresh);
        for (std::size_t root = 0; root < jobs.size(); ++root) {
            if (marks[root] != mark::fresh) continue;
            std::vector<std::pair<std::size_t, std::size_t>> way{{root, 0}};  // job, and which of its needs is next
            marks[root] = mark::open;
            while (!way.empty()) {
                auto& [at, next] = way.back();
                if (next == jobs[at].needs.size()) {
                    marks[at] = mark::done;
                    way.pop_back();
                    continue;
                }
                const auto need = jobs[at].needs[next++];
                if (marks[need] == mark::open) return circle(way, need);
                if (marks[need] == mark::done) continue;
                marks[need] = mark::open;
                way.emplace_back(need, 0);
            }
        }
        return {};
    }

    problem circle(const std::vector<std::pair<std::size_t, std::size_t>>& way, std::size_t back_to) const {
        constexpr std::size_t k_told = 8;
        const auto begin = std::find_if(way.begin(), way.end(), [&](const auto& w) { return w.first == back_to; });
        std::string text;
        std::size_t n = 0;
        for (auto it = begin; it != way.end() && n < k_told; ++it, ++n) text += jobs[it->first].name + " needs ";
        if (static_cast<std::size_t>(way.end() - begin) > k_told) text += "... needs ";
        return bad_value(jobs[back_to].field + ".needs", "jobs that do not need this one in the end",
                         "a circle: " + text + jobs[back_to].name);
    }
};

result<json::object> defaults_of(const json::object& o) {
    const auto* v = o.if_contains("defaults");
    if (!v) return json::object();
    if (!v->is_object()) return bad_value("defaults", "an object of job fields", shown(*v));
    for (const auto& [key, value] : v->get_object())
        if (is_about(key))
            return bad_value("defaults." + std::string(key), "a field that jobs can share", std::string(key));
    return v->get_object();
}

}  // namespace

result<std::vector<submitted_job>> read_submission(std::string_view document) {
    if (document.size() > k_most_in_submission)
        return problem{errc::too_large, "the document is too large", "document", "at most 4 MiB",
                       std::to_string(document.size()) + " bytes"};
    auto parsed = parse_object(document);
    if (!parsed) {
        auto p = parsed.error();
        p.field = "document";
        return p;
    }
    for (const auto& [key, value] : *parsed)
        if (std::find(k_members.begin(), k_members.end(), key) == k_members.end())
            return problem{errc::unknown_field, "unknown field", std::string(key), "one of jobs, defaults, signatures",
                           "\"" + std::string(key) + "\""};
    const auto* list = array_or_null(*parsed, "jobs");
    if (!list || list->empty())
        return bad_value("jobs", "an array of jobs, each with a name",
                         parsed->contains("jobs") ? shown(parsed->at("jobs")) : "nothing");
    SIGRUN_TRY(defaults, defaults_of(*parsed));
    reader r;
    if (const auto* v = parsed->if_contains("signatures"); v && !(r.signatures = v->if_object()))
        return bad_value("signatures", "an object of signatures by name of job", shown(*v));
    for (std::size_t i = 0; i < list->size(); ++i) SIGRUN_CHECK_OK(r.entry((*list)[i], i, defaults));
    SIGRUN_CHECK_OK(r.check_signatures());
    SIGRUN_CHECK_OK(r.find_needs());
    SIGRUN_CHECK_OK(r.no_circle());
    SIGRUN_CHECK_OK(r.check_outputs());
    return std::move(r.jobs);
}

}  // namespace sigrun

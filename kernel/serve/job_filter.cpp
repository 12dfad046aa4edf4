#include "kernel/serve/job_filter.hpp"

#include "kernel/config/settings.hpp"

#include <algorithm>
#include <array>

namespace sigrun {
namespace {

constexpr std::array<std::string_view, 10> k_keys{"job.state",     "job.kind",       "job.queue",  "job.tenant",
                                                  "job.priority",  "job.durability", "job.runner", "job.protocol",
                                                  "job.exit_code", "job.failure"};

/// In the order of k_keys; an empty text stands for "there is none".
using shown_values = std::array<std::string, k_keys.size()>;

shown_values shown_of(job& j) {
    std::lock_guard lock(j.mutex);
    const auto* a = j.current();
    const bool ended_so = j.end && j.end->exit_code;
    return {std::string(to_string(j.state)),
            j.spec->kind,
            j.spec->queue,
            j.spec->tenant,
            std::string(to_string(j.spec->priority)),
            std::string(to_string(j.spec->keep)),
            a ? a->runner_name : "",
            a ? a->protocol : "",
            ended_so ? std::to_string(*j.end->exit_code) : "",
            j.end && j.end->why.cls != failure_class::none ? std::string(to_string(j.end->why.cls)) : ""};
}

sheet_ptr sheet_of(const shown_values& values) {
    std::vector<fact> facts;
    for (std::size_t i = 0; i < k_keys.size(); ++i) {
        if (values[i].empty()) continue;
        fact f;
        f.key = k_keys[i];
        if (k_keys[i] == "job.exit_code")
            f.value = std::stoll(values[i]);
        else
            f.value = values[i];
        facts.push_back(std::move(f));
    }
    return fact_sheet::of(capability_document(std::move(facts)));
}

}  // namespace

result<job_filter> job_filter::compile(std::string_view text) {
    if (text.empty()) return job_filter(nullptr);
    auto compiled = requirement::compile(text);
    if (!compiled) {
        auto p = compiled.error();
        p.field = "where";
        return p;
    }
    const std::vector<std::string> known(k_keys.begin(), k_keys.end());
    for (const auto& key : (*compiled)->keys()) {
        if (std::find(known.begin(), known.end(), key) != known.end()) continue;
        std::string expected;
        const auto near = nearest_name(key, known);
        for (const auto& each : known) expected += each + ", ";
        return bad_value("where", near.empty() ? expected + "or label.NAME" : "a known key, perhaps \"" + near + "\"",
                         "\"" + key + "\"");
    }
    return job_filter(*compiled);
}

bool job_filter::matches(job& j) {
    if (!where_) return true;
    const auto values = shown_of(j);
    std::string all;
    for (const auto& each : values) all.append(each).push_back('\0');
    auto& sheet = sheets_[all];
    if (!sheet) sheet = sheet_of(values);
    const match_subject subject{sheet.get(), &j.spec->labels};
    return where_->matches(subject) == truth::yes;
}

}  // namespace sigrun

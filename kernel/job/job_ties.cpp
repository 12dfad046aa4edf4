#include "kernel/job/job_ties.hpp"

#include "kernel/base/json_writer.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>
#include <array>

namespace sigrun {
namespace {

constexpr std::array<std::string_view, 3> k_conditions{"success", "failure", "always"};
constexpr std::array<std::string_view, 5> k_need_ends{"open", "succeeded", "failed", "skipped", "unknown"};

template <class Enum, std::size_t N>
std::optional<Enum> parse_word(std::string_view text, const std::array<std::string_view, N>& words) noexcept {
    for (std::size_t i = 0; i < N; ++i)
        if (words[i] == text) return static_cast<Enum>(i);
    return std::nullopt;
}

bool is_bad(need_end e) noexcept { return e == need_end::failed || e == need_end::unknown; }

}  // namespace

std::string_view to_string(need_condition c) noexcept { return k_conditions[static_cast<std::size_t>(c)]; }
std::string_view to_string(need_end e) noexcept { return k_need_ends[static_cast<std::size_t>(e)]; }
std::optional<need_condition> parse_need_condition(std::string_view text) noexcept {
    return parse_word<need_condition>(text, k_conditions);
}

bool job_ties::open() const noexcept {
    return std::any_of(needs.begin(), needs.end(), [](const need& n) { return n.ended == need_end::open; });
}

job_ties::verdict job_ties::decide() const noexcept {
    const auto has = [this](auto what) {
        return std::any_of(needs.begin(), needs.end(), [&](const need& n) { return what(n.ended); });
    };
    const bool failed = has(is_bad);
    const bool skipped = has([](need_end e) { return e == need_end::skipped; });
    switch (when) {
        case need_condition::success:
            // One is enough: the others need not be waited for.
            if (failed) return verdict::upstream;
            if (skipped) return verdict::not_needed;
            return open() ? verdict::waits : verdict::starts;
        case need_condition::failure:
            if (open()) return verdict::waits;
            return failed ? verdict::starts : verdict::not_needed;
        case need_condition::always: return open() ? verdict::waits : verdict::starts;
    }
    return verdict::waits;
}

std::string job_ties::skipped_text() const {
    if (decide() == verdict::not_needed && when == need_condition::failure)
        return "skipped: it runs only when one of its needs fails, and none has";
    std::string out = "skipped";
    std::size_t n = 0;
    for (const auto& each : needs)
        if (is_bad(each.ended) || each.ended == need_end::skipped)
            out += sdk::concat(n++ ? "; " : ": ", "its need ", each.name, " ", each.told);
    return out;
}

std::string job_ties::waiting_text() const {
    constexpr std::size_t k_named = 5;
    std::vector<std::string_view> names;
    for (const auto& each : needs)
        if (each.ended == need_end::open) names.push_back(each.name);
    std::string out = "waits for ";
    for (std::size_t i = 0; i < names.size() && i < k_named; ++i)
        out += sdk::concat(i == 0 ? "" : i + 1 == names.size() ? " and " : ", ", names[i]);
    if (names.size() > k_named) out += sdk::concat(" and ", names.size() - k_named, " more jobs");
    return out;
}

void write_ties(json_writer& w, const job_ties& ties) {
    w.key("submission").open_object().member("id", ties.submission.text()).member("index", ties.index);
    w.member("name", ties.name);
    if (!ties.needs.empty()) {
        w.member("when", to_string(ties.when)).key("needs").open_array();
        for (const auto& need : ties.needs) {
            w.open_object().member("name", need.name).member("job", need.job.text());
            if (need.ended != need_end::open) w.member("ended", to_string(need.ended)).member("told", need.told);
            w.close_object();
        }
        w.close_array();
    }
    w.close_object();
}

std::unique_ptr<job_ties> read_ties(const json::object& record) {
    const auto* o = object_or_null(record, "submission");
    const auto submission = o ? id::parse(text_or(*o, "id")) : std::nullopt;
    if (!submission) return nullptr;
    auto ties = std::make_unique<job_ties>();
    ties->submission = *submission;
    ties->index = number_or<std::uint32_t>(*o, "index", 0);
    ties->name = text_or(*o, "name");
    ties->when = parse_need_condition(text_or(*o, "when")).value_or(need_condition::success);
    if (const auto* needs = array_or_null(*o, "needs"))
        for (const auto& v : *needs) {
            const auto* each = v.if_object();
            const auto job = each ? id::parse(text_or(*each, "job")) : std::nullopt;
            if (!job) continue;
            ties->needs.push_back({std::string(text_or(*each, "name")), *job,
                                   parse_word<need_end>(text_or(*each, "ended"), k_need_ends).value_or(need_end::open),
                                   std::string(text_or(*each, "told"))});
        }
    return ties;
}

}  // namespace sigrun

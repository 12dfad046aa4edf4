#include "kernel/app/sigrun/top/views.hpp"

#include "kernel/app/sigrun/cell_text.hpp"
#include "kernel/app/sigrun/job_view.hpp"
#include "kernel/app/sigrun/units.hpp"
#include "kernel/base/rfc3339.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>
#include <charconv>
#include <cstdio>

namespace sigrun::cli::top {
namespace {

enum : unsigned { k_right = column::k_right | column::k_whole, k_whole = column::k_whole };
constexpr unsigned k_extra = column::k_optional;

list_cell text(std::string_view t, style how = style::plain) { return {cell(printable(t), how)}; }
list_cell number(double n, std::string shown) { return {cell(std::move(shown)), n}; }
list_cell count(double n) { return number(n, std::to_string(static_cast<std::int64_t>(n))); }
list_cell state(std::string_view s) { return text(s, style_of_state(s)); }

std::string decimal(double n, const char* unit) {
    char out[48];
    std::snprintf(out, sizeof out, n < 10 ? "%.1f%s" : "%.0f%s", n, unit);
    return out;
}

list_cell latency(double us) { return us > 0 ? number(us, fact_text("latency_us", us)) : list_cell{}; }

list_cell since(std::string_view rfc3339, std::int64_t now_ns) {
    const auto then = parse_rfc3339(rfc3339);
    if (!then) return {};
    return number(static_cast<double>(std::max<std::int64_t>(0, now_ns - *then)) / 1e9, age(*then, now_ns));
}

std::string_view name_of(const json::object& o, std::string_view member) {
    const auto* who = object_or_null(o, member);
    return who ? text_or(*who, "name") : std::string_view();
}

double sample(const samples& from, std::string_view family, std::string_view label, std::string_view value,
              std::string_view more = {}) {
    const auto found = from.find(sdk::concat(family, "{", label, "=\"", value, "\"", more, "}"));
    return found == from.end() ? 0 : found->second;
}

/// Everything of a family, by the value of its only label.
std::vector<std::pair<std::string, double>> family(const samples& from, std::string_view name) {
    std::vector<std::pair<std::string, double>> out;
    for (auto it = from.lower_bound(name); it != from.end() && it->first.starts_with(name); ++it) {
        const auto begin = it->first.find('"'), end = it->first.rfind('"');
        if (begin != std::string::npos && end > begin)
            out.emplace_back(it->first.substr(begin + 1, end - begin - 1), it->second);
    }
    return out;
}

list_cell rate(double now, double before, double seconds, const char* unit = "/s") {
    if (seconds <= 0) return {};
    const double n = std::max(0.0, now - before) / seconds;
    return number(n, decimal(n, unit));
}

const json::object* rung_of(const json::object& runner) {
    if (const auto* all = array_or_null(runner, "protocols"))
        for (const auto& item : *all)
            if (const auto* p = item.if_object(); p && text_or(*p, "name") == text_or(runner, "rung")) return p;
    return nullptr;
}

}  // namespace

std::vector<list_column> columns_of_view(view which) {
    switch (which) {
        case view::runners:
            return {{"name", 0, 10},
                    {"status", k_whole},
                    {"zone", k_extra, 4},
                    {"protocol", k_whole},
                    {"jobs", k_right, 0, true, true},
                    {"load", k_right | k_extra, 0, true, true},
                    {"success", k_right | k_extra, 0, true, false},
                    {"done", k_right | k_extra, 0, true, true},
                    {"latency", k_right | k_extra, 0, true, false},
                    {"seen", k_right | k_extra, 0, true, false},
                    {"note", k_extra, 12}};
        case view::jobs:
            return {{"id", k_whole},
                    {"state", k_whole},
                    {"runner", 0, 6},
                    {"protocol", k_whole | k_extra},
                    {"age", k_right, 0, true, false},
                    {"queue", k_extra, 7},
                    {"priority", k_whole | k_extra},
                    {"command", 0, 20}};
        case view::protocols:
            return {{"protocol", k_whole},
                    {"runners", k_right, 0, true, true},
                    {"up", k_right, 0, true, true},
                    {"degraded", k_right, 0, true, true},
                    {"jobs", k_right, 0, true, true},
                    {"latency", k_right | k_extra, 0, true, false},
                    {"success", k_right | k_extra, 0, true, false},
                    {"calls", k_right | k_extra, 0, true, true},
                    {"in", k_right | k_extra, 0, true, true},
                    {"out", k_right | k_extra, 0, true, true}};
        case view::plugins:
            return {{"plugin", 0, 24},
                    {"kind", k_whole},
                    {"version", k_whole | k_extra},
                    {"generation", k_right | k_extra, 0, true, true},
                    {"state", k_whole},
                    {"crashes", k_right | k_extra, 0, true, true},
                    {"about", k_extra, 16}};
        case view::balancers: break;
    }
    return {{"kind", k_whole},
            {"name", 0, 10},
            {"picks", k_right, 0, true, true},
            {"rate", k_right, 0, true, true},
            {"empty", k_right, 0, true, true},
            {"waiting", k_right, 0, true, true}};
}

samples parse_metrics(std::string_view body) {
    samples out;
    while (!body.empty()) {
        const auto line = body.substr(0, body.find('\n'));
        body.remove_prefix(std::min(line.size() + 1, body.size()));
        const auto space = line.rfind(' ');
        if (line.starts_with('#') || space == std::string_view::npos || line.find("_bucket{") != std::string_view::npos)
            continue;
        double value = 0;
        const auto* end = line.data() + line.size();
        if (std::from_chars(line.data() + space + 1, end, value).ec == std::errc{})
            out.emplace(line.substr(0, space), value);
    }
    return out;
}

std::vector<list_row> runner_rows(const json::array& runners, std::int64_t now_ns) {
    std::vector<list_row> out;
    for (const auto& item : runners) {
        const auto* r = item.if_object();
        if (!r) continue;
        const auto* labels = object_or_null(*r, "labels");
        const auto* stats = object_or_null(*r, "stats");
        const auto* rung = rung_of(*r);
        const auto busy = number_or<double>(*r, "in_flight", 0), slots = number_or<double>(*r, "slots", 0);
        const auto good = stats ? number_or<double>(*stats, "completed", 0) : 0;
        const auto bad = stats ? number_or<double>(*stats, "failed", 0) : 0;
        const auto status = text_or(*r, "status");
        const auto places = slots > 0 ? std::to_string(static_cast<int>(slots)) : std::string("?");
        out.push_back(
            {std::string(text_or(*r, "id")),
             {text(text_or(*r, "name")), state(status), text(labels ? text_or(*labels, "zone") : std::string_view()),
              text(text_or(*r, "rung") == "none" ? std::string_view() : text_or(*r, "rung")),
              number(busy, std::to_string(static_cast<int>(busy)) + "/" + places),
              slots > 0 ? number(busy / slots, decimal(100 * busy / slots, "%")) : list_cell{},
              good + bad > 0 ? number(good / (good + bad), decimal(100 * good / (good + bad), "%")) : list_cell{},
              count(good + bad), latency(rung ? number_or<double>(*rung, "latency_us", 0) : 0),
              since(text_or(*r, "last_seen_at"), now_ns),
              text(status == "online" || status == "busy" ? std::string_view() : text_or(*r, "status_reason"))}});
    }
    return out;
}

std::vector<list_row> job_rows(const json::array& jobs, std::int64_t now_ns) {
    std::vector<list_row> out;
    for (const auto& item : jobs) {
        const auto* j = item.if_object();
        if (!j) continue;
        const auto name = text_or(*j, "name");
        const auto command = command_text(*j);
        out.push_back(
            {std::string(text_or(*j, "id")),
             {text(short_id(text_or(*j, "id"))), state(text_or(*j, "state")), text(name_of(*j, "runner")),
              text(text_or(*j, "protocol")), since(text_or(*j, "submitted_at"), now_ns), text(text_or(*j, "queue")),
              text(text_or(*j, "priority")), text(name.empty() ? command : sdk::concat(name, ": ", command))}});
    }
    return out;
}

std::vector<list_row> protocol_rows(const json::array& runners, const samples& now, const samples& before,
                                    double seconds) {
    struct sum {
        double used = 0, up = 0, degraded = 0, jobs = 0, success = 0, judged = 0;
        std::vector<double> latencies;
    };
    std::map<std::string, sum, std::less<>> by_name;
    for (const auto& [name, up] : family(now, "sigrun_protocol_up{")) by_name[name];
    for (const auto& item : runners) {
        const auto* r = item.if_object();
        const auto* all = r ? array_or_null(*r, "protocols") : nullptr;
        if (!all) continue;
        for (const auto& each : *all) {
            const auto* p = each.if_object();
            if (!p) continue;
            auto& s = by_name[std::string(text_or(*p, "name"))];
            const auto* seen = object_or_null(*p, "evidence");
            const auto breaker = seen ? text_or(*seen, "breaker") : std::string_view();
            s.up += text_or(*p, "state") == "up";
            // Degraded: the runner has it, and it cannot be used now.
            s.degraded += text_or(*p, "state") == "down" || breaker == "open" || breaker == "trial";
            if (seen && number_or<double>(*seen, "successes", 0) + number_or<double>(*seen, "failures", 0) > 0) {
                s.success += number_or<double>(*seen, "success", 0);
                ++s.judged;
            }
            if (const auto us = number_or<double>(*p, "latency_us", 0); us > 0) s.latencies.push_back(us);
            if (text_or(*r, "rung") != text_or(*p, "name")) continue;
            ++s.used;
            s.jobs += number_or<double>(*r, "in_flight", 0);
        }
    }
    std::vector<list_row> out;
    for (auto& [name, s] : by_name) {
        double median = 0;
        if (!s.latencies.empty()) {
            const auto middle = s.latencies.begin() + static_cast<std::ptrdiff_t>(s.latencies.size() / 2);
            std::nth_element(s.latencies.begin(), middle, s.latencies.end());
            median = *middle;
        }
        const auto of = [&](const samples& from, std::string_view what, std::string_view more = {}) {
            return sample(from, what, "protocol", name, more);
        };
        const auto bytes = [&](std::string_view more) {
            constexpr std::string_view k_bytes = "sigrun_protocol_bytes_total";
            if (seconds <= 0) return list_cell{};
            const double n = std::max(0.0, of(now, k_bytes, more) - of(before, k_bytes, more)) / seconds;
            return number(n, fact_text("n_bytes", static_cast<std::uint64_t>(n)) + "/s");
        };
        const double mean = s.judged > 0 ? s.success / s.judged : 0;
        out.push_back(
            {name,
             {text(name), count(s.used), count(s.up), count(s.degraded), count(s.jobs), latency(median),
              s.judged > 0 ? number(mean, decimal(100 * mean, "%")) : list_cell{},
              rate(of(now, "sigrun_protocol_calls_total"), of(before, "sigrun_protocol_calls_total"), seconds),
              bytes(",direction=\"in\""), bytes(",direction=\"out\"")}});
        if (s.degraded > 0) out.back().cells[3].shown.how = style::caution;
    }
    return out;
}

std::vector<list_row> plugin_rows(const json::array& plugins) {
    std::vector<list_row> out;
    for (const auto& item : plugins) {
        const auto* p = item.if_object();
        if (!p) continue;
        std::string kind;
        if (const auto* all = array_or_null(*p, "components"); all && !all->empty())
            if (const auto* first = all->front().if_object()) kind = std::string(text_or(*first, "kind"));
        if (kind.starts_with("sigrun.")) kind = kind.substr(7, kind.rfind('/') - 7);
        const auto file = text_or(*p, "file"), reason = text_or(*p, "reason");
        const auto status = text_or(*p, "state");
        // A refused file is known by its name: its id may be that of a plugin which runs.
        const bool by_file = status == "rejected" || text_or(*p, "id").empty();
        const auto name = by_file ? file.substr(file.rfind('/') + 1) : text_or(*p, "id");
        out.push_back(
            {std::string(name),
             {text(name), text(kind), text(text_or(*p, "version")), count(number_or<double>(*p, "generation", 0)),
              state(status), count(number_or<double>(*p, "crashes", 0)),
              text(reason.empty() ? text_or(*p, "doc") : reason)}});
    }
    return out;
}

std::vector<list_row> balancer_rows(const samples& now, const samples& before, double seconds) {
    std::vector<list_row> out;
    constexpr std::string_view k_picks = "sigrun_balancer_picks_total";
    for (const auto& [name, picks] : family(now, "sigrun_balancer_picks_total{"))
        out.push_back({"balancer " + name,
                       {text("balancer"), text(name), count(picks),
                        rate(picks, sample(before, k_picks, "balancer", name), seconds),
                        count(sample(now, "sigrun_balancer_empty_picks_total", "balancer", name)), list_cell{}}});
    for (const auto& [name, waiting] : family(now, "sigrun_queue_jobs_waiting{"))
        out.push_back({"queue " + name,
                       {text("queue"), text(name.empty() ? "(all others)" : name), list_cell{}, list_cell{},
                        list_cell{}, count(waiting)}});
    return out;
}

}  // namespace sigrun::cli::top

#include "kernel/app/sigrun/runner_view.hpp"

#include "kernel/app/sigrun/fact_view.hpp"
#include "kernel/app/sigrun/table.hpp"
#include "kernel/app/sigrun/units.hpp"

namespace sigrun::cli {
namespace {

cell status_cell(const json::object& runner) {
    const auto status = text_or(runner, "status");
    return {status, style_of_state(status)};
}

/// "" while no protocol can be used.
std::string_view rung_of(const json::object& runner) {
    const auto rung = text_or(runner, "rung");
    return rung == "none" ? std::string_view() : rung;
}

/// "valkyrie http", the ones that are up; the rung in use first with a star.
std::string protocols_text(const json::object& runner) {
    std::string out;
    const auto rung = rung_of(runner);
    if (const json::array* list = array_or_null(runner, "protocols"))
        for (const auto& item : *list) {
            const json::object* p = item.if_object();
            if (!p || text_or(*p, "state") != "up") continue;
            const std::string name(text_or(*p, "name"));
            if (name == rung)
                out = name + (out.empty() ? "" : " ") + out;
            else
                out += (out.empty() ? "" : " ") + name;
        }
    return out.empty() ? std::string(rung) : out;
}

std::string load_text(const json::object& runner) {
    std::string out = std::to_string(number_or<std::uint64_t>(runner, "in_flight", 0)) + "/";
    const json::value* slots = runner.if_contains("slots");
    return out + (slots && slots->is_number() ? std::to_string(number_or<std::uint64_t>(runner, "slots", 0)) : "?");
}

std::string labels_text(const json::object& runner) {
    const json::object* labels = object_or_null(runner, "labels");
    return labels ? fact_text({}, *labels) : std::string();
}

/// "on trial, the 2nd time in a row: why"; while it is out the status says it.
std::string quarantine_text(const json::object& runner) {
    const json::object* q = object_or_null(runner, "quarantine");
    if (!q || text_or(*q, "state") != "trial") return {};
    return "until its next job is done (" + std::to_string(number_or<unsigned>(*q, "times", 1)) +
           " times in a row): " + std::string(text_or(*q, "reason"));
}

std::string latency_text(const json::object& protocol) {
    const json::value* us = protocol.if_contains("latency_us");
    return us && us->is_number() ? fact_text("latency_us", *us) : std::string();
}

/// "closed", "open, next trial 12:00:31", with what failed.
std::string breaker_text(const json::object& evidence) {
    std::string out(text_or(evidence, "breaker"));
    if (out == "closed") return {};
    if (auto next = text_or(evidence, "next_trial_at"); !next.empty())
        out += ", next trial " + std::string(next.substr(11, 8)) + " UTC";
    if (auto why = text_or(evidence, "last_failure"); !why.empty()) out += ": " + std::string(why);
    return out;
}

/// "3 % of 120 failed; 1.2 MB/s".
std::string record_text(const json::object& protocol) {
    const json::object* e = object_or_null(protocol, "evidence");
    if (!e) return {};
    const auto good = number_or<std::uint64_t>(*e, "successes", 0), bad = number_or<std::uint64_t>(*e, "failures", 0);
    return good + bad ? std::to_string(bad) + " of " + std::to_string(good + bad) : std::string();
}

std::string switch_text(const json::object& choice, std::int64_t now_ns) {
    const json::object* last = object_or_null(choice, "last_switch");
    if (!last) return {};
    const auto when = age_of(text_or(*last, "at"), now_ns);
    return std::string(text_or(*last, "from")) + " -> " + std::string(text_or(*last, "to")) + ", " +
           (when == "now" ? when : when + " ago") + ": " + std::string(text_or(*last, "reason"));
}

/// "crc32c, messages up to 16 MiB".
std::string features_text(const json::object& protocol) {
    std::string out;
    if (const json::array* list = array_or_null(protocol, "features"))
        for (const auto& each : *list)
            if (each.is_string()) out += (out.empty() ? "" : ", ") + std::string(std::string_view(each.get_string()));
    if (const json::value* most = protocol.if_contains("max_message_bytes"); most && most->is_number())
        out += (out.empty() ? "messages up to " : ", messages up to ") + fact_text("max_message_bytes", *most);
    return out;
}

std::string protocol_table(const json::array& protocols, const terminal& where) {
    table t({{"protocol", column::k_whole},
             {"state", column::k_whole},
             {"latency", column::k_right | column::k_whole},
             {"tier", column::k_whole | column::k_optional},
             {"failed", column::k_right | column::k_whole | column::k_optional},
             {"version", 0, 8},
             {"features", column::k_optional, 12},
             {"evidence", 0, 16}});
    for (const auto& item : protocols) {
        const json::object* p = item.if_object();
        if (!p) continue;
        const auto state = text_or(*p, "state");
        const json::object* seen = object_or_null(*p, "evidence");
        const auto breaker = seen ? breaker_text(*seen) : std::string();
        const json::object* trend = seen ? object_or_null(*seen, "latency_trend") : nullptr;
        auto note = breaker.empty() ? std::string(text_or(*p, "reason")) : "breaker " + breaker;
        if (trend) note += ", latency is " + std::string(text_or(*trend, "direction"));
        t.add({text_or(*p, "name"), cell(state, style_of_state(state)), latency_text(*p), text_or(*p, "tier"),
               record_text(*p), text_or(*p, "version"), features_text(*p), note});
    }
    return t.empty() ? std::string("  none detected yet\n") : t.render(where, "  ");
}

}  // namespace

std::string runner_table(const json::array& runners, const terminal& where, std::int64_t now_ns) {
    table t({{"name", 0, 10},
             {"status", column::k_whole},
             {"type", column::k_whole | column::k_optional},
             {"protocols", 0, 8},
             {"load", column::k_right | column::k_whole},
             {"seen", column::k_right | column::k_whole},
             {"endpoint", column::k_optional, 12},
             {"labels", column::k_optional, 8},
             {"note", 0, 10}});
    for (const auto& item : runners) {
        const json::object* r = item.if_object();
        if (!r) continue;
        t.add({text_or(*r, "name"), status_cell(*r), text_or(*r, "type"), protocols_text(*r), load_text(*r),
               age_of(text_or(*r, "last_seen_at"), now_ns), text_or(*r, "endpoint"), labels_text(*r),
               // What an online runner says of itself is no news.
               text_or(*r, "status") == "online" ? std::string_view() : text_or(*r, "status_reason")});
    }
    return t.empty() ? "no runners; add one with `sigrun runner add NAME HOST:PORT`, or start `sigrun-runner`\n"
                     : t.render(where);
}

std::string runner_details(const json::object& runner, bool all_facts, const terminal& where, std::int64_t now_ns) {
    fields f;
    f.add("name", {text_or(runner, "name"), style::strong});
    f.add("id", text_or(runner, "id"));
    f.add("status", status_cell(runner));
    f.add("reason", text_or(runner, "status_reason"));
    f.add("set aside", quarantine_text(runner));
    f.add("type", text_or(runner, "type"));
    f.add("endpoint", text_or(runner, "endpoint"));
    f.add("profile", text_or(runner, "profile"));
    f.add("labels", labels_text(runner));
    f.add("load", load_text(runner));
    const json::object* choice = object_or_null(runner, "choice");
    const auto why = choice ? text_or(*choice, "reason") : std::string_view();
    f.add("protocol in use",
          std::string(rung_of(runner)) + (why.empty() || rung_of(runner).empty() ? "" : ": " + std::string(why)));
    if (choice) f.add("last change", switch_text(*choice, now_ns));
    if (const json::object* stats = object_or_null(runner, "stats"))
        f.add("jobs", grouped(number_or<std::uint64_t>(*stats, "completed", 0)) + " completed, " +
                          grouped(number_or<std::uint64_t>(*stats, "failed", 0)) + " failed");
    if (const json::object* detected = object_or_null(runner, "detected")) {
        const auto age_s = static_cast<std::int64_t>(number_or<double>(*detected, "age_s", 0));
        f.add("detected", age(now_ns - age_s * 1'000'000'000, now_ns) + (age_s ? " ago" : ""));
    }
    if (auto seen = age_of(text_or(runner, "last_seen_at"), now_ns); !seen.empty())
        f.add("last seen", seen == "now" ? seen : seen + " ago");
    std::string out = f.render(where);
    if (const json::array* protocols = array_or_null(runner, "protocols"))
        out += where.paint("protocols", style::strong) + "\n" + protocol_table(*protocols, where);
    const json::array* facts = array_or_null(runner, "facts");
    if (!facts || facts->empty()) {
        out +=
            where.paint("facts", style::strong) + "\n  none: nothing on this runner can be asked about its machine\n";
    } else if (all_facts) {
        out += "\n" + fact_groups(*facts, where);
    } else {
        const std::string summary = fact_summary(*facts, where, "  ");
        out += where.paint("machine", style::strong) + "\n" +
               (summary.empty() ? "  unknown: nothing on this runner can be asked about it\n" : summary) + "  " +
               where.paint(std::to_string(facts->size()) + " facts in all: sigrun runner show " +
                               std::string(text_or(runner, "name")) + " --facts",
                           style::faint) +
               "\n";
    }
    return out;
}

std::string runner_line(const json::object& runner, const terminal& where) {
    const auto status = text_or(runner, "status"), reason = text_or(runner, "status_reason");
    std::string out = std::string(text_or(runner, "name")) + " is " + where.paint(status, style_of_state(status));
    if (!reason.empty()) out += ": " + std::string(reason);
    return out + "\n";
}

}  // namespace sigrun::cli

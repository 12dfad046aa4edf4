#include "kernel/app/sigrun/demand_view.hpp"

#include "kernel/app/sigrun/cell_text.hpp"
#include "kernel/app/sigrun/table.hpp"
#include "kernel/app/sigrun/units.hpp"

namespace sigrun::cli {
namespace {

std::uint64_t count_in(const json::object& o, std::string_view name) { return number_or<std::uint64_t>(o, name, 0); }

std::uint64_t count_in(const json::object& o, std::string_view group, std::string_view name) {
    const auto* inner = object_or_null(o, group);
    return inner ? count_in(*inner, name) : 0;
}

std::string seconds_text(double seconds) {
    return seconds < 1 ? "<1s" : span_of_time(static_cast<std::int64_t>(seconds) * 1'000'000'000);
}

cell number_cell(std::uint64_t n, style how = style::plain) {
    return n ? cell(grouped(n), how) : cell("-", style::faint);
}

std::string wait_of(const json::object& o) {
    return count_in(o, "queued") ? seconds_text(number_or<double>(o, "oldest_wait_s", 0)) : std::string("-");
}

std::string summary(const json::object& total, const terminal& where) {
    const auto queued = count_in(total, "queued"),
               held = count_in(total, "delayed") + count_in(total, "blocked") + count_in(total, "retrying");
    std::string out = queued ? count_of(queued, "job") + (queued == 1 ? " waits" : " wait") +
                                   " for a place, the oldest for " + wait_of(total)
                             : std::string("no job waits for a place");
    if (const auto n = count_in(total, "shortfall"))
        out += "; " + where.paint(count_of(n, "place") + (n == 1 ? " is" : " are") + " missing", style::caution);
    if (const auto n = count_in(total, "unsatisfiable"))
        out += "; for " + where.paint(count_of(n, "job") + " no known runner matches", style::bad);
    if (held) out += "; " + std::to_string(held) + (held == 1 ? " more waits" : " more wait") + " for something else";
    return out + "\n";
}

// A row of the table, of a class or of the sum of the others.
std::vector<cell> row(const json::object& o, std::string name, std::string text) {
    const auto total = count_in(o, "places", "total");
    return {cell(std::move(name), style::strong),
            number_cell(count_in(o, "queued")),
            cell(wait_of(o)),
            number_cell(count_in(o, "shortfall"), style::caution),
            number_cell(count_in(o, "unsatisfiable"), style::bad),
            number_cell(count_in(o, "running")),
            o.contains("places") ? cell(std::to_string(count_in(o, "places", "taken")) + "/" + std::to_string(total))
                                 : cell(),
            o.contains("runners") ? cell(std::to_string(count_in(o, "runners", "online"))) : cell(),
            o.contains("runners") ? number_cell(count_in(o, "runners", "idle")) : cell(),
            number_cell(count_in(o, "delayed") + count_in(o, "blocked") + count_in(o, "retrying")),
            cell(std::move(text))};
}

std::string idle_text(const json::object& idle) {
    const auto n = count_in(idle, "runners");
    if (!n) return {};
    constexpr std::size_t k_named = 10;
    std::string out = "\n" + count_of(n, "runner") + (n == 1 ? " is" : " are") + " idle:";
    const auto* longest = array_or_null(idle, "longest");
    std::size_t told = 0;
    for (const auto& each : longest ? *longest : json::array{}) {
        const auto* one = each.if_object();
        if (!one || told == k_named) break;
        out += (told++ ? ", " : " ") + printable(text_or(*one, "name")) + " (" +
               seconds_text(number_or<double>(*one, "idle_s", 0)) +
               (bool_or(*one, "drainable", true) ? ")" : ", a job waits for it)");
    }
    if (n > told) out += " and " + std::to_string(n - told) + " more";
    return out + "\n";
}

}  // namespace

std::string demand_text(const json::object& demand, const terminal& where) {
    static const json::object k_nothing;
    const auto part = [&](std::string_view name) -> const json::object& {
        const auto* o = object_or_null(demand, name);
        return o ? *o : k_nothing;
    };
    std::string out = summary(part("total"), where);
    table rows({{"CLASS", column::k_whole},
                {"QUEUED", column::k_right | column::k_whole},
                {"OLDEST", column::k_right | column::k_whole},
                {"MISSING", column::k_right | column::k_whole},
                {"NO RUNNER", column::k_right | column::k_whole},
                {"RUNNING", column::k_right | column::k_whole},
                {"PLACES", column::k_right | column::k_whole},
                {"RUNNERS", column::k_right | column::k_optional},
                {"IDLE", column::k_right | column::k_optional},
                {"HELD", column::k_right | column::k_optional},
                {"REQUIRES"}});
    std::string missing;
    if (const auto* classes = array_or_null(demand, "classes"))
        for (const auto& each : *classes) {
            const auto* one = each.if_object();
            if (!one) continue;
            const std::string name(text_or(*one, "class"));
            const auto asked = text_or(*one, "requires");
            auto text = asked.empty() ? "any runner" : std::string(asked);
            if (const auto kind = text_or(*one, "kind"); kind != "process") text += " (" + std::string(kind) + ")";
            rows.add(row(*one, name, std::move(text)));
            if (const auto why = text_or(*one, "missing"); !why.empty()) missing += name + ": " + printable(why) + "\n";
        }
    if (const auto n = count_in(part("other"), "classes"))
        rows.add(row(part("other"), "others", std::to_string(n) + (n == 1 ? " more class" : " more classes")));
    if (!rows.empty()) out += "\n" + rows.render(where);
    if (!missing.empty()) out += "\n" + missing;
    return out + idle_text(part("idle"));
}

}  // namespace sigrun::cli

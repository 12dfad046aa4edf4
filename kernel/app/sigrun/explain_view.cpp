#include "kernel/app/sigrun/explain_view.hpp"

#include "kernel/app/sigrun/cell_text.hpp"
#include "kernel/app/sigrun/table.hpp"
#include "kernel/app/sigrun/units.hpp"

#include <sigrun/cpp/text.hpp>

#include <array>
#include <charconv>

namespace sigrun::cli {
namespace {

/// "24.0 GiB (25213878272)": what it means and what it is.
std::string value_with_unit(std::string_view key, const json::object& answer) {
    const json::value* value = answer.if_contains("value");
    if (!value) return {};
    const auto shown = fact_text(key, *value);
    if (!value->is_number()) return shown.empty() ? "\"\"" : shown;
    std::array<char, 64> room;
    const auto plain = value->is_double()
                           ? std::string(room.data(), std::to_chars(room.begin(), room.end(), value->get_double()).ptr)
                           : json::serialize(*value);
    return shown == plain ? shown : shown + " (" + plain + ")";
}

std::string span(double seconds) { return span_of_time(static_cast<std::int64_t>(seconds * 1e9)); }

std::string joined(const json::array& words) {
    std::string out;
    for (const auto& word : words)
        if (word.is_string()) (out += out.empty() ? "" : ", ") += std::string_view(word.get_string());
    return out;
}

std::string rule_of(const json::object& answer) {
    const json::object* rule = object_or_null(answer, "rule");
    if (!rule) return {};
    const json::array* keys = array_or_null(*rule, "keys");
    auto out = sdk::concat(text_or(answer, "plugin"), " declares ", keys ? joined(*keys) : std::string(), ", ",
                           bool_or(*rule, "isolated", false) ? "in a process of its own" : "in process");
    const auto soft = number_or<std::uint32_t>(*rule, "soft_ms", 0),
               hard = number_or<std::uint32_t>(*rule, "hard_ms", 0);
    if (soft) out += sdk::concat(", soft limit ", soft, " ms");
    if (hard) out += sdk::concat(", hard limit ", hard, " ms");
    return out;
}

std::string lifetime_of(const json::object& answer) {
    const auto ttl = number_or<std::uint32_t>(answer, "ttl_s", 0);
    const std::string volatility(text_or(answer, "volatility"));
    if (ttl) return span(ttl) + " (" + volatility + ")";
    return volatility == "static" ? "for ever (static)" : "until the machine starts again (" + volatility + ")";
}

std::string probe_of(const json::object& answer) {
    const json::object* rule = object_or_null(answer, "rule");
    std::string out(text_or(answer, "probe"));
    if (const auto about = rule ? text_or(*rule, "about") : std::string_view(); !about.empty())
        out.append(": ").append(about);
    return out;
}

/// Each line of the raw text as one line of the view.
void add_raw(fields& out, std::string_view raw) {
    for (bool first = true; !raw.empty(); first = false) {
        const auto line = raw.substr(0, raw.find('\n'));
        raw.remove_prefix(std::min(line.size() + 1, raw.size()));
        out.add(first ? "raw, read now" : "", std::string(line.empty() ? " " : line));
    }
}

void add_answer(fields& out, std::string_view key, const json::object& answer) {
    out.add("value", value_with_unit(key, answer));
    out.add("status", cell{text_or(answer, "status"), style_of_state(text_or(answer, "status"))});
    out.add("detail", std::string(text_or(answer, "detail")));
    out.add("because", std::string(text_or(answer, "why")));
    out.add("probe", probe_of(answer));
    out.add("rule", rule_of(answer));
    out.add("method", std::string(text_or(answer, "method")));
    out.add("source", std::string(text_or(answer, "source")));
    add_raw(out, text_or(answer, "raw"));
    out.add("confidence", std::to_string(number_or<unsigned>(answer, "confidence", 0)));
    if (const json::value* age = answer.if_contains("age_s"); age && age->is_number())
        out.add("age", span(age->to_number<double>()));
    out.add("good for", lifetime_of(answer));
}

}  // namespace

std::string explained_facts(const json::array& keys, const terminal& where) {
    std::string out;
    for (const auto& item : keys) {
        const json::object* one = item.if_object();
        const json::array* answers = one ? array_or_null(*one, "answers") : nullptr;
        if (!answers) continue;
        const auto key = text_or(*one, "key");
        out += (out.empty() ? "" : "\n") + where.paint(key, style::strong) + "\n";
        for (std::size_t i = 0; i < answers->size(); ++i) {
            const json::object* answer = (*answers)[i].if_object();
            if (!answer) continue;
            if (i > 0) out += "  " + where.paint("other answer", style::faint) + "\n";
            fields lines;
            add_answer(lines, key, *answer);
            out += lines.render(where, i > 0 ? "    " : "  ");
        }
    }
    return out;
}

}  // namespace sigrun::cli

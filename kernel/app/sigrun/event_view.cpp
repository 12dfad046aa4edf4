#include "kernel/app/sigrun/event_view.hpp"

#include "kernel/app/sigrun/cell_text.hpp"
#include "kernel/app/sigrun/units.hpp"

namespace sigrun::cli {

std::string event_line(const json::object& event, const terminal& where) {
    constexpr std::size_t k_type_columns = 20;
    const auto time = text_or(event, "time");
    const auto type = text_or(event, "type");
    std::string out = where.paint(printable(time.size() > 19 ? time.substr(11, 12) : time), style::faint) + "  ";
    const std::string name = printable(type);
    out += where.paint(name, type == "Gap" || type.ends_with("Rejected") || type.ends_with("Degraded") ? style::caution
                                                                                                       : style::accent);
    if (name.size() < k_type_columns) out.append(k_type_columns - name.size(), ' ');
    for (const auto& member : event) {
        if (member.key() == "time" || member.key() == "type" || member.key() == "seq" || member.value().is_null())
            continue;
        std::string text = fact_text(member.key(), member.value());
        if (text.empty()) continue;
        // {"id","name"} is known by its name.
        if (const json::object* who = member.value().if_object(); who && who->contains("name"))
            text = text_or(*who, "name");
        out.append("  ").append(member.key()).append("=");
        out += where.paint(printable(text), style_of_state(text));
    }
    return out + "\n";
}

}  // namespace sigrun::cli

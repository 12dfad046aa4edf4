#include "kernel/serve/zone_settings.hpp"

#include <charconv>

namespace sigrun {
namespace {

std::optional<double> degrees(std::string_view text, double most) {
    double value = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (ec != std::errc() || end != text.data() + text.size() || !(value >= -most && value <= most))
        return std::nullopt;
    return value;
}

result<void> check_name(const std::string& field, const std::string& name) {
    if (name.size() <= zone_board::k_max_name) return {};
    return bad_value(field, "a name of at most " + std::to_string(zone_board::k_max_name) + " bytes",
                     std::to_string(name.size()) + " bytes");
}

}  // namespace

result<std::vector<zone_declaration>> read_zone_settings(const daemon_settings& bound) {
    SIGRUN_CHECK_OK(check_name("server.zone", bound.at("server").text("zone")));
    std::vector<zone_declaration> out;
    for (const auto& [name, section] : bound.zones) {
        SIGRUN_CHECK_OK(check_name("[zone NAME]", name));
        zone_declaration& zone = out.emplace_back();
        zone.name = name;
        zone.egress = nanoseconds(section->integer("egress_cost"));
        const auto items = section->list("coordinates");
        if (items.empty()) continue;
        const auto latitude = degrees(items[0], 90);
        const auto longitude = items.size() == 2 ? degrees(items[1], 180) : std::nullopt;
        if (!latitude || !longitude) {
            std::string found;
            for (const auto& item : items) found += (found.empty() ? "" : ", ") + item;
            return bad_value("zone " + name + ".coordinates",
                             "a latitude from -90 to 90 and a longitude from -180 to 180, such as 50.11, 8.68",
                             "\"" + found + "\"");
        }
        zone.at = {*latitude, *longitude};
    }
    constexpr std::size_t k_most = SIGRUN_ZONES - 1;
    if (out.size() > k_most)
        return bad_value("[zone NAME]", "at most " + std::to_string(k_most) + " zones", std::to_string(out.size()));
    return out;
}

}  // namespace sigrun

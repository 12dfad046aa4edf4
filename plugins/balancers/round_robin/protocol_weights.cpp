#include "protocol_weights.hpp"

#include <sigrun/cpp/error.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

namespace sigrun::round_robin {
namespace {

constexpr std::string_view k_names[] = {"valkyrie", "grpc", "http", "websocket"};

std::optional<std::size_t> id_of(std::string_view name) {
    for (std::size_t i = 0; i < std::size(k_names); ++i)
        if (k_names[i] == name) return i;
    std::size_t id = 0;
    auto [end, ec] = std::from_chars(name.data(), name.data() + name.size(), id);
    if (ec != std::errc() || end != name.data() + name.size() || id > 15) return std::nullopt;
    return id;
}

}  // namespace

protocol_weights::protocol_weights(const std::vector<std::string>& items) {
    weights_.fill(1024);
    std::array<bool, 16> set{};
    for (std::string_view item : items) {
        auto refuse = [&](std::string_view expected) {
            return sdk::failure(SIGRUN_E_CONFIG,
                                sdk::concat("protocol_weights: expected ", expected, ", found \"", item, "\""));
        };
        const auto equals = item.find('=');
        if (equals == std::string_view::npos) throw refuse("NAME=WEIGHT such as valkyrie=1.2");
        auto trim = [](std::string_view t) {
            while (!t.empty() && t.front() == ' ') t.remove_prefix(1);
            while (!t.empty() && t.back() == ' ') t.remove_suffix(1);
            return t;
        };
        const auto id = id_of(trim(item.substr(0, equals)));
        if (!id) throw refuse("valkyrie, grpc, http, websocket or a protocol id from 0 to 15 before \"=\"");
        if (std::exchange(set[*id], true)) throw refuse("each protocol once");
        const std::string_view number = trim(item.substr(equals + 1));
        double weight = 0;
        auto [end, ec] = std::from_chars(number.data(), number.data() + number.size(), weight);
        if (ec != std::errc() || end != number.data() + number.size() || !(weight >= 0.01 && weight <= 100))
            throw refuse("a weight from 0.01 to 100");
        weights_[*id] = static_cast<std::uint32_t>(std::lround(weight * 1024));
    }
}

std::uint32_t protocol_weights::best(std::uint16_t protocols) const noexcept {
    std::uint32_t best = 0;
    for (std::uint32_t rest = protocols; rest; rest &= rest - 1)
        best = std::max(best, weights_[static_cast<std::size_t>(__builtin_ctz(rest))]);
    return best;
}

}  // namespace sigrun::round_robin

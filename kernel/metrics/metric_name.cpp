#include "kernel/metrics/metric_name.hpp"

#include <stdexcept>
#include <string>

namespace sigrun {
namespace {

bool is_name(std::string_view name, bool colon) noexcept {
    if (name.empty() || name.size() > 200) return false;
    for (std::size_t i = 0; i < name.size(); ++i) {
        char c = name[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colon && c == ':');
        bool digit = c >= '0' && c <= '9';
        if (!letter && !(digit && i > 0)) return false;
    }
    return true;
}

}  // namespace

void check_metric_name(std::string_view name) {
    if (!is_name(name, true))
        throw std::invalid_argument("metric name: expected [a-zA-Z_:][a-zA-Z0-9_:]*, found '" + std::string(name) +
                                    "'");
}

void check_label_name(std::string_view name) {
    if (!is_name(name, false) || name.substr(0, 2) == "__" || name == "le")
        throw std::invalid_argument("label name: expected [a-zA-Z_][a-zA-Z0-9_]*, found '" + std::string(name) + "'");
}

}  // namespace sigrun

#include "kernel/select/key_path.hpp"

#include "kernel/select/lexer.hpp"

#include <algorithm>
#include <charconv>

namespace sigrun::expr {
namespace {

constexpr std::size_t k_max_key = 256;

std::int64_t unit_of(std::string_view key) noexcept {
    if (key.ends_with("_ns")) return 1;
    if (key.ends_with("_us")) return 1'000;
    if (key.ends_with("_ms")) return 1'000'000;
    if (key.ends_with("_s")) return 1'000'000'000;
    return 0;
}

/// ".a[3].b" -> member a, index 3, member b
void read_steps(std::string_view rest, std::vector<step>& out) {
    while (!rest.empty()) {
        step s;
        if (rest.front() == '[') {
            const auto close = rest.find(']');
            std::from_chars(rest.data() + 1, rest.data() + close, s.index);
            rest.remove_prefix(close + 1);
        } else {
            rest.remove_prefix(1);
            const auto end = std::min(rest.find_first_of(".["), rest.size());
            s.member = std::string(rest.substr(0, end));
            rest.remove_prefix(end);
        }
        out.push_back(std::move(s));
    }
}

bool plain_label(std::string_view name) noexcept {
    return !name.empty() && name.front() >= 'A' && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    });
}

result<path> read_label(std::string_view written) {
    path p;
    p.from = path::root::label;
    if (written.starts_with("label[\"")) {
        std::size_t at = 6;
        SIGRUN_TRY(name, read_quoted(written, at));
        p.base = std::move(name);
        if (at + 1 != written.size()) return make_problem(errc::invalid, "a label is a text and has no parts");
    } else {
        p.base = std::string(written.substr(std::string_view("label.").size()));
        if (p.base.find('[') != std::string::npos)
            return make_problem(errc::invalid, "a label is a text and has no parts");
    }
    p.text = plain_label(p.base) ? "label." + p.base : "label[" + quoted(p.base) + "]";
    return p;
}

}  // namespace

result<path> read_path(std::string_view written, std::span<const std::string> variables) {
    if (written.size() > k_max_key) return make_problem(errc::invalid, "a key has at most 256 characters");
    if (written.starts_with("label.") || written.starts_with("label[")) return read_label(written);
    path p;
    p.text = std::string(written);
    p.unit_ns = unit_of(written);
    const std::string_view head = written.substr(0, written.find_first_of(".["));
    for (std::size_t i = 0; i < variables.size(); ++i)
        if (variables[i] == head) {
            p.from = path::root::variable;
            p.variable = static_cast<std::uint8_t>(i);
            p.rest = std::string(written.substr(head.size()));
            read_steps(p.rest, p.steps);
            return p;
        }
    if (const auto bracket = written.find('['); bracket != std::string_view::npos) {
        p.base = std::string(written.substr(0, bracket));
        read_steps(written.substr(bracket), p.steps);
    }
    return p;
}

}  // namespace sigrun::expr

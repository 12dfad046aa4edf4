#include "kernel/metrics/exposition.hpp"

#include <charconv>

namespace sigrun {
namespace {

void append_number(std::string& out, double value) {
    char digits[32];
    out.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

void append_escaped(std::string& out, std::string_view text) {
    for (const char c : text) {
        if (c == '\n') {
            out += "\\n";
            continue;
        }
        if (c == '\\' || c == '"') out += '\\';
        out += c;
    }
}

}  // namespace

void exposition::family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    out_.append("# HELP ").append(name).append(" ").append(help);
    out_.append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
}

void exposition::line(std::string_view suffix, labels of, std::string_view bound, double value) {
    out_.append(name_).append(suffix);
    char before = '{';
    for (const auto& [name, text] : of) {
        out_ += before;
        out_.append(name).append("=\"");
        append_escaped(out_, text);
        out_ += '"';
        before = ',';
    }
    if (!bound.empty()) {
        out_ += before;
        out_.append("le=\"").append(bound).append("\"");
        before = ',';
    }
    if (before == ',') out_ += '}';
    out_ += ' ';
    append_number(out_, value);
    out_ += '\n';
}

void exposition::sample(labels of, double value) { line("", of, "", value); }

void exposition::histogram(labels of, const latency_snapshot& counts) {
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < latency_snapshot::bounds.size(); ++i) {
        below += counts.in[i];
        std::string bound;
        append_number(bound, static_cast<double>(latency_snapshot::bounds[i]) / 1e9);
        line("_bucket", of, bound, static_cast<double>(below));
    }
    below += counts.in.back();
    line("_bucket", of, "+Inf", static_cast<double>(below));
    line("_sum", of, "", static_cast<double>(counts.sum_ns) / 1e9);
    line("_count", of, "", static_cast<double>(below));
}

}  // namespace sigrun

#include "kernel/job/job_matrix.hpp"

#include "kernel/job/submission.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>

namespace sigrun {
namespace {

constexpr std::size_t k_longest_value = 256;
constexpr std::string_view k_reference = "{matrix.";

std::string sample_of(const json::value& v) { return json::serialize(v).substr(0, 80); }

bool is_name(std::string_view text) {
    const auto allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    };
    return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), allowed);
}

result<std::string> value_text(const json::value& v, const std::string& field) {
    if (v.is_object() || v.is_array() || v.is_null())
        return bad_value(field, "a text, a number, true or false", sample_of(v));
    std::string text = v.is_string() ? std::string(v.get_string()) : json::serialize(v);
    const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
    if (text.size() > k_longest_value || std::any_of(text.begin(), text.end(), control))
        return bad_value(field, "at most 256 bytes without control characters", sample_of(v));
    return text;
}

using axis = std::pair<std::string, std::vector<std::string>>;

result<std::vector<axis>> axes_of(const json::value& matrix, const std::string& field) {
    const auto* o = matrix.if_object();
    if (!o || o->empty())
        return bad_value(field, "an object of arrays such as {\"os\": [\"a\", \"b\"]}", sample_of(matrix));
    std::vector<axis> axes;
    std::size_t combinations = 1;
    for (const auto& [key, values] : *o) {
        const auto where = field + "." + std::string(key);
        if (!is_name(key)) return bad_value(field, "names of letters, digits, _ and -", "\"" + std::string(key) + "\"");
        const auto* list = values.if_array();
        if (!list || list->empty()) return bad_value(where, "an array of values", sample_of(values));
        combinations *= list->size();
        if (combinations > k_most_combinations)
            return problem{errc::too_large, "too many combinations", field,
                           "at most " + std::to_string(k_most_combinations), "more"};
        axis one{std::string(key), {}};
        for (std::size_t i = 0; i < list->size(); ++i) {
            const auto at = sdk::concat(where, "[", i, "]");
            SIGRUN_TRY(text, value_text((*list)[i], at));
            if (std::find(one.second.begin(), one.second.end(), text) != one.second.end())
                return bad_value(at, "each value once", "\"" + text + "\" again");
            one.second.push_back(text);
        }
        axes.push_back(std::move(one));
    }
    return axes;
}

result<std::vector<matrix_row>> excluded_rows(const json::value* exclude, const std::vector<axis>& axes,
                                              const std::string& field) {
    std::vector<matrix_row> out;
    if (!exclude) return out;
    const auto* list = exclude->if_array();
    if (!list || list->size() > k_most_combinations)
        return bad_value(field, "an array of at most 256 objects", sample_of(*exclude));
    for (std::size_t i = 0; i < list->size(); ++i) {
        const auto at = sdk::concat(field, "[", i, "]");
        const auto* o = (*list)[i].if_object();
        if (!o || o->empty()) return bad_value(at, "an object such as {\"os\": \"a\"}", sample_of((*list)[i]));
        matrix_row row;
        for (const auto& [name, value] : *o) {
            const std::string_view key = name;  // clang 14 captures no structured binding
            const auto where = at + "." + std::string(key);
            const auto known = std::find_if(axes.begin(), axes.end(), [&](const auto& a) { return a.first == key; });
            if (known == axes.end()) return bad_value(where, "a name of the matrix", "\"" + std::string(key) + "\"");
            SIGRUN_TRY(text, value_text(value, where));
            if (std::find(known->second.begin(), known->second.end(), text) == known->second.end())
                return bad_value(where, "a value of the matrix", "\"" + text + "\"");
            row.emplace_back(std::string(key), text);
        }
        out.push_back(std::move(row));
    }
    return out;
}

bool fits(const matrix_row& row, const matrix_row& pattern) {
    return std::all_of(pattern.begin(), pattern.end(),
                       [&](const auto& each) { return std::find(row.begin(), row.end(), each) != row.end(); });
}

result<std::string> filled(std::string_view text, const matrix_row& row, const std::string& field) {
    std::string out;
    for (std::size_t at = text.find(k_reference); at != std::string_view::npos; at = text.find(k_reference)) {
        out += text.substr(0, at);
        text.remove_prefix(at + k_reference.size());
        const auto end = text.find('}');
        const auto name = text.substr(0, end == std::string_view::npos ? std::size_t{40} : end);
        const auto known = std::find_if(row.begin(), row.end(), [&](const auto& each) { return each.first == name; });
        if (end == std::string_view::npos || known == row.end()) {
            std::string names;
            for (const auto& each : row) names += (names.empty() ? "one of {matrix." : ", {matrix.") + each.first + "}";
            return bad_value(field, names, sdk::concat("{matrix.", name.substr(0, 80), "}"));
        }
        out += known->second;
        text.remove_prefix(end + 1);
    }
    return out += text;
}

}  // namespace

result<std::vector<matrix_row>> matrix_rows(const json::value& matrix, const json::value* exclude,
                                            const std::string& field) {
    SIGRUN_TRY(axes, axes_of(matrix, field + ".matrix"));
    SIGRUN_TRY(out, excluded_rows(exclude, axes, field + ".exclude"));
    std::vector<matrix_row> rows{{}};
    for (const auto& [name, values] : axes) {
        std::vector<matrix_row> longer;
        for (const auto& row : rows)
            for (const auto& value : values) {
                longer.push_back(row);
                longer.back().emplace_back(name, value);
            }
        rows = std::move(longer);
    }
    std::erase_if(rows, [&](const matrix_row& row) {
        return std::any_of(out.begin(), out.end(), [&](const matrix_row& pattern) { return fits(row, pattern); });
    });
    if (rows.empty()) return bad_value(field + ".exclude", "at least one combination to be left", "none");
    return rows;
}

std::string row_name(const std::string& job, const matrix_row& row) {
    std::string out = job;
    for (std::size_t i = 0; i < row.size(); ++i) out += sdk::concat(i ? ", " : " (", row[i].first, "=", row[i].second);
    return out + ")";
}

result<json::value> with_row(const json::value& v, const matrix_row& row, const std::string& field) {
    if (v.is_string()) {
        SIGRUN_TRY(text, filled(v.get_string(), row, field));
        return json::value(text);
    }
    if (const auto* list = v.if_array()) {
        json::array out;
        for (std::size_t i = 0; i < list->size(); ++i) {
            SIGRUN_TRY(one, with_row((*list)[i], row, sdk::concat(field, "[", i, "]")));
            out.push_back(std::move(one));
        }
        return json::value(std::move(out));
    }
    if (const auto* o = v.if_object()) {
        json::object out;
        for (const auto& [key, value] : *o) {
            SIGRUN_TRY(one, with_row(value, row, field + "." + std::string(key)));
            out[key] = std::move(one);
        }
        return json::value(std::move(out));
    }
    return v;
}

}  // namespace sigrun

#include "kernel/job/need_outputs.hpp"

#include "kernel/config/settings.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>
#include <map>

namespace sigrun {
namespace {

constexpr std::string_view k_refers = "{needs.", k_to_output = ".outputs.";
constexpr std::size_t k_most_value = 64u << 10, k_most_document = 1u << 20;  // as of any document

bool is_output_key(std::string_view text) {
    const auto allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
               c == '.';
    };
    return !text.empty() && !(text[0] >= '0' && text[0] <= '9') && std::all_of(text.begin(), text.end(), allowed);
}

// The text with value(need, key) in place of each reference; `value` returns a result.
template <class Value>
result<std::string> replaced(std::string_view text, const std::string& field, const Value& value) {
    std::string out;
    for (auto at = text.find(k_refers); at != std::string_view::npos; at = text.find(k_refers)) {
        out += text.substr(0, at);
        const auto end = text.find('}', at);
        const auto inside = text.substr(
            at + k_refers.size(), end == std::string_view::npos ? std::string_view::npos : end - at - k_refers.size());
        const auto middle = inside.find(k_to_output);
        const auto key = middle == std::string_view::npos ? inside : inside.substr(middle + k_to_output.size());
        if (end == std::string_view::npos || middle == std::string_view::npos || !is_output_key(key))
            return bad_value(field, "{needs.NAME.outputs.KEY}", sdk::concat("\"", text.substr(at, 80), "\""));
        SIGRUN_TRY(one, value(inside.substr(0, middle), key));
        out += one;
        if (out.size() > k_most_value)
            return problem{errc::too_large, "too long with the outputs of its needs", field, "at most 64 KiB", "more"};
        text.remove_prefix(end + 1);
    }
    out += text;
    return out;
}

// The same in each text of `env`.
template <class Value>
result<void> replace_in(json::object& env, const std::string& field, const Value& value) {
    std::size_t total = 0;
    for (auto& [name, v] : env) {
        if (!v.is_string()) continue;
        const std::string text(v.get_string());
        if (!may_refer_to_outputs(text)) continue;
        SIGRUN_TRY(full, replaced(text, sdk::concat(field, ".", std::string_view(name)), value));
        // Before the next one is put together: many short references may become a lot.
        if ((total += full.size()) > k_most_document)
            return problem{errc::too_large, "too large with the outputs of its needs", field, "at most 1 MiB in all",
                           "more"};
        v = full;
    }
    return {};
}

json::object* env_of(json::object& job) {
    auto* v = job.if_contains("env");
    return v ? v->if_object() : nullptr;
}

struct values_of {
    const job_ties& ties;
    mutable std::map<const void*, json::object> read{};  // outputs of each need that is referred to

    result<std::string> operator()(std::string_view need, std::string_view key) const {
        const auto found =
            std::find_if(ties.needs.begin(), ties.needs.end(), [&](const auto& n) { return n.name == need; });
        const auto is = sdk::concat("output ", key, " of job ", need);
        if (found == ties.needs.end()) return bad_value("needs", is, "a job that does not need it");
        if (found->ended == need_end::open) return bad_value("needs", is, "it has not ended");
        auto known = read.find(&*found);
        if (known == read.end()) {
            auto outputs = parse_object(found->outputs.empty() ? "{}" : found->outputs);
            known = read.emplace(&*found, outputs ? std::move(*outputs) : json::object()).first;
        }
        const auto* value = known->second.if_contains(key);
        if (value && value->is_string()) return std::string(value->get_string());
        if (found->ended == need_end::succeeded) return bad_value("needs", is, "that it succeeded without telling it");
        return std::string();
    }
};

}  // namespace

bool may_refer_to_outputs(std::string_view document) noexcept {
    return document.find(k_refers) != std::string_view::npos;
}

result<void> check_output_references(const json::object& job, const std::vector<std::string>& needs,
                                     const std::string& field) {
    auto copy = job;
    auto* env = env_of(copy);
    if (!env) return {};
    const auto at = field + ".env";
    const auto known = [&](std::string_view need, std::string_view) -> result<std::string> {
        if (std::find(needs.begin(), needs.end(), need) != needs.end()) return std::string();
        const auto near = nearest_name(std::string(need), needs);
        const auto first = std::find_if(needs.begin(), needs.end(),
                                        [&](const auto& n) { return n.starts_with(sdk::concat(need, " (")); });
        std::string expected = "the name of one job that it needs";
        if (first != needs.end())
            expected += ", such as \"" + *first + "\"";
        else if (!near.empty())
            expected += ", perhaps \"" + near + "\"";
        return bad_value(at, expected, sdk::concat("\"", need.substr(0, 80), "\""));
    };
    for (auto& [name, v] : *env) {
        if (!v.is_string()) continue;
        const auto where = sdk::concat(at, ".", std::string_view(name));
        const std::string text(v.get_string());
        if (auto fine = replaced(text, where, known); !fine) {
            auto p = fine.error();
            p.field = where;
            return p;
        }
    }
    return {};
}

bool could_be_filled_in(std::string_view pattern, std::string_view text) {
    // What stands between the references, in its order: the first piece begins the text, the last one ends it.
    std::vector<std::string_view> pieces;
    std::size_t from = 0;
    for (auto at = pattern.find(k_refers); at != pattern.npos; at = pattern.find(k_refers, from)) {
        const auto end = pattern.find('}', at);
        const auto middle = pattern.find(k_to_output, at);
        if (end == pattern.npos || middle == pattern.npos || middle > end ||
            !is_output_key(pattern.substr(middle + k_to_output.size(), end - middle - k_to_output.size())))
            return false;
        pieces.push_back(pattern.substr(from, at - from));
        from = end + 1;
    }
    const auto last = pattern.substr(from);
    if (pieces.empty() || !text.starts_with(pieces.front())) return false;
    text.remove_prefix(pieces.front().size());
    if (!text.ends_with(last)) return false;
    text.remove_suffix(last.size());
    for (std::size_t i = 1; i < pieces.size(); ++i) {
        const auto at = text.find(pieces[i]);
        if (at == text.npos) return false;
        text.remove_prefix(at + pieces[i].size());
    }
    return true;
}

std::string wanted_outputs(const std::string& document, std::string_view need, const std::string& outputs) {
    if (outputs.empty() || !may_refer_to_outputs(document)) return {};
    auto job = parse_object(document);
    const auto all = parse_object(outputs);
    auto* env = job ? env_of(*job) : nullptr;
    if (!env || !all) return {};
    json::object wanted;
    const auto note = [&](std::string_view of, std::string_view key) -> result<std::string> {
        if (const auto* value = of == need ? all->if_contains(key) : nullptr) wanted[key] = *value;
        return std::string();
    };
    if (!replace_in(*env, "env", note) || wanted.empty()) return {};
    return json::serialize(wanted);
}

result<std::string> with_outputs(const std::string& document, const job_ties& ties) {
    if (ties.needs.empty() || !may_refer_to_outputs(document)) return document;
    SIGRUN_TRY(job, parse_object(document));
    auto* env = env_of(job);
    if (!env) return document;
    SIGRUN_CHECK_OK(replace_in(*env, "env", values_of{ties}));
    for (const auto& [name, v] : *env) {
        if (!v.is_string()) continue;
        const std::string_view text = v.get_string();
        const auto field = sdk::concat("env.", std::string_view(name));
        if (text.size() > k_most_value)
            return problem{errc::too_large, "too long with the outputs of its needs", field, "at most 64 KiB",
                           sdk::concat(text.size(), " bytes")};
        if (text.find('\0') != std::string_view::npos)
            return bad_value(field, "outputs of its needs without NUL characters", "one with NUL");
    }
    auto full = json::serialize(job);
    if (full.size() > k_most_document)
        return problem{errc::too_large, "too large with the outputs of its needs", "env", "at most 1 MiB in all",
                       sdk::concat(full.size(), " bytes")};
    return full;
}

}  // namespace sigrun

#include "wire/problem.hpp"

#include <sigrun/cpp/text.hpp>

#include <boost/json.hpp>

namespace sigrun::grpc {
namespace {
namespace json = boost::json;
constexpr std::size_t k_max_message = 1024;

std::string text_of(const json::object& o, std::string_view key) {
    const auto* v = o.if_contains(key);
    return v && v->is_string() ? std::string(v->get_string()) : std::string();
}
}  // namespace

std::string shown(std::string_view text) {
    std::string out;
    for (char c : text.substr(0, 200)) out += c >= ' ' && c <= '~' ? c : '.';
    if (text.size() > 200) out += "...";
    return out;
}

std::string to_json(const problem& p) {
    json::object o;
    o["code"] = p.code;
    o["title"] = p.title;
    if (!p.field.empty()) o["field"] = p.field;
    if (!p.expected.empty()) o["expected"] = p.expected;
    if (!p.found.empty()) o["found"] = p.found;
    return json::serialize(o);
}

status status_of(const problem& p) { return status_of(to_json(p), SIGRUN_E_INTERNAL); }

status status_of(std::string_view problem_json, sigrun_result result) {
    boost::system::error_code ec;
    const auto value = json::parse(problem_json, ec);
    const json::object* o = ec ? nullptr : value.if_object();
    const auto word = o ? text_of(*o, "code") : std::string();
    if (word.empty()) {
        std::string title(problem_json.substr(0, k_max_message));
        title.resize(sdk::utf8_prefix(title));
        if (title.empty()) title = "the call failed without a reason";
        const auto why = problem_code_of(result);
        return {code_of_problem(why), title, to_json({why, title})};
    }
    status s{code_of_problem(word), text_of(*o, "title"), std::string(problem_json)};
    auto more = [&](std::string_view before, std::string_view key) {
        if (auto text = text_of(*o, key); !text.empty()) s.message += sdk::concat(before, text);
    };
    more(": ", "detail");
    more("; field ", "field");
    more(", expected ", "expected");
    more(", found ", "found");
    if (s.message.size() > k_max_message) {
        s.message.resize(k_max_message);
        s.message.resize(sdk::utf8_prefix(s.message));
    }
    return s;
}

}  // namespace sigrun::grpc

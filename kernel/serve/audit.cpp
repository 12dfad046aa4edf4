#include "kernel/serve/audit.hpp"

#include "kernel/base/json.hpp"
#include "kernel/base/json_writer.hpp"
#include "kernel/log/loggers.hpp"

#include <array>

namespace sigrun {
namespace {

constexpr std::array<std::string_view, 4> k_ways_in{"anonymous", "local", "token", "certificate"};
constexpr std::size_t k_longest_shown = 256;  // of a text that comes from outside

/// What a call is about, by the params that name it.
std::string object_of(std::string_view params) {
    const auto o = params.empty() ? result<json::object>(json::object{}) : parse_object(params);
    if (!o) return {};
    for (const auto* name : {"id", "balancer", "revision"})
        if (const auto* v = o->if_contains(name); v && !v->is_null())
            return (v->is_string() ? std::string(v->get_string()) : json::serialize(*v)).substr(0, k_longest_shown);
    return {};
}

/// The first member of that name; answers begin with the id of what was made.
std::string_view member_of(std::string_view document, std::string_view name) {
    const std::string key = "\"" + std::string(name) + "\":\"";
    const auto at = document.find(key);
    if (at == std::string_view::npos) return {};
    const auto rest = document.substr(at + key.size());
    return rest.substr(0, std::min(rest.find('"'), k_longest_shown));
}

}  // namespace

audit::audit(rotating_file to, const gate& who, const clock& time, metrics& numbers)
    : to_(std::move(to)),
      who_(who),
      time_(time),
      lines_(numbers.get_counter("sigrun_audit_lines_total", "Lines of the audit log")),
      lost_(numbers.get_counter("sigrun_audit_lines_lost_total", "Lines that could not be written")),
      left_out_(numbers.get_counter("sigrun_audit_refusals_left_out_total", "Refused callers beyond 100 a second")) {}

bool audit::tells_of(std::string_view method) noexcept {
    const auto needs = needed_for(method);
    return needs == permission::submit || needs == permission::join || needs == permission::operate ||
           needs == permission::administer;
}

std::string audit::begin(const subject& what, const caller& who) const {
    std::string line;
    json_writer w(line);
    w.open_object().member("time", to_rfc3339(time_.wall_ns())).member("request", what.request_id);
    w.member("protocol", what.protocol).member("method", what.method.substr(0, k_longest_shown));
    w.key("who").open_object();
    w.member("name", std::string_view(who.name).substr(0, k_longest_shown));
    w.member("kind", k_ways_in[static_cast<std::size_t>(who.kind)]);
    if (who.kind != caller::kind_t::anonymous) w.member("role", to_string(who.grants));
    if (const auto address = who_.address_of(what.session); !address.empty()) w.member("address", address);
    w.close_object();
    if (const auto object = object_of(what.params); !object.empty()) w.member("object", object);
    return line;
}

void audit::refused(const subject& what, const caller& who, std::string_view problem) {
    constexpr std::uint32_t k_most_refused = 100;
    const auto second = time_.wall_ns() / 1'000'000'000;
    if (second_.exchange(second) != second) refused_in_it_ = 0;
    if (refused_in_it_.fetch_add(1) >= k_most_refused) return left_out_.add();
    finish(begin(what, who), true, problem);
}

void audit::finish(std::string line, bool failed, std::string_view answer) {
    const auto member = [&](std::string_view name, std::string_view text) {
        line.append(",\"").append(name).append("\":");
        append_json_string(line, text);
    };
    if (!failed && line.find(",\"object\":") == std::string::npos)
        if (const auto made = member_of(answer, "id"); !made.empty()) member("object", made);
    const auto code = failed ? member_of(answer, "code") : std::string_view("ok");
    member("result", code.empty() ? "internal" : code);
    line += '}';
    if (auto written = to_.add(line); written) {
        lines_.add();
        told_ = false;
    } else {
        lost_.add();
        if (!told_.exchange(true)) SIGRUN_LOG(logs::serve, error, "the audit log: ", written.error().text());
    }
}

}  // namespace sigrun

// demand.get: what autoscalers need to know.
#include "kernel/base/quantity.hpp"
#include "kernel/serve/demand_view.hpp"
#include "kernel/serve/tenancy.hpp"

#include <algorithm>

namespace sigrun {
namespace {

constexpr nanoseconds k_longest_span = std::chrono::hours(24 * 30);

result<nanoseconds> span_param(const json::object& o, std::string_view name, nanoseconds otherwise) {
    SIGRUN_TRY(value, duration_param(o, name, otherwise));
    if (value > k_longest_span)
        return bad_value(std::string(name), "a duration of at most 30d", format_duration(value));
    return value;
}

result<demand_question> question_of(const call_input& in) {
    SIGRUN_TRY(o, parse_params(in.params, {"class", "queue", "tenant", "limit", "hold", "idle"}));
    demand_question what;
    what.cls = text_or(o, "class");
    constexpr auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
    if (!what.cls.empty() && (what.cls.size() != 16 || !std::all_of(what.cls.begin(), what.cls.end(), is_digit)))
        return bad_value("class", "the `class` of an earlier answer, 16 hexadecimal digits", "\"" + what.cls + "\"");
    what.queue = text_or(o, "queue");
    what.tenant = text_or(o, "tenant");
    if (const auto bound = tenant_of(in); !bound.empty()) {
        if (!what.tenant.empty() && what.tenant != bound)
            return problem{errc::forbidden, "the token is of another tenant", "tenant",
                           "\"" + std::string(bound) + "\", or nothing", "\"" + what.tenant + "\""};
        what.tenant = bound;
    }
    SIGRUN_TRY(limit, number_param(o, "limit", what.limit, 1, 1000));
    SIGRUN_TRY(hold, span_param(o, "hold", what.hold));
    SIGRUN_TRY(idle, span_param(o, "idle", what.idle));
    what.limit = limit;
    what.hold = hold;
    what.idle = idle;
    return what;
}

}  // namespace

void add_demand_methods(router& r, demand_view& view) {
    r.add("demand.get", [&view](const call_input& in, const call_ptr& call) {
        const auto what = question_of(in);
        if (!what) return void(call->fail(what.error()));
        call->last(json::serialize(view.ask(*what)->document()));
    });
}

}  // namespace sigrun

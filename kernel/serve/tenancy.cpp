#include "kernel/serve/tenancy.hpp"

#include "kernel/auth/gate.hpp"
#include "kernel/base/json.hpp"

#include <sigrun/cpp/text.hpp>

namespace sigrun {
namespace {

result<void> check(const json::object& o, std::string_view tenant, const std::string& field) {
    const auto* named = o.if_contains("tenant");
    if (!named || named->is_null()) return {};
    if (named->is_string() && std::string_view(named->get_string()) == tenant) return {};
    return problem{errc::forbidden, "the token is of another tenant", field,
                   sdk::concat("\"", tenant, "\", or nothing"), json::serialize(*named).substr(0, 80)};
}

// What is put into a signed document breaks its signature.
result<void> check_signed(const json::object& job, const json::object& names_tenant, bool sure, std::string_view tenant,
                          const std::string& field) {
    if (!sure && !job.contains("signature")) return {};
    if (job.contains("tenant") || names_tenant.contains("tenant")) return {};
    return bad_value(field, sdk::concat("\"", tenant, "\", the token's, as a part of what is signed"), "nothing");
}

}  // namespace

std::string_view tenant_of(const call_input& in) noexcept {
    return in.who && in.who->token ? std::string_view(in.who->token->tenant) : std::string_view();
}

bool may_know(const call_input& in, const job& j) noexcept {
    const auto bound = tenant_of(in);
    return bound.empty() || j.spec->tenant == bound;
}

result<job_ptr> find_job(const job_engine& jobs, const call_input& in, std::string_view id) {
    auto j = jobs.find(id);
    if (j && !may_know(in, **j)) return job_engine::no_such_job(id);
    return j;
}

result<std::string> for_tenant(const call_input& in) {
    const auto bound = tenant_of(in);
    if (bound.empty()) return std::string(in.document);
    SIGRUN_TRY(o, parse_object(in.document));
    SIGRUN_CHECK_OK(check(o, bound, "tenant"));
    SIGRUN_CHECK_OK(check_signed(o, o, false, bound, "tenant"));
    o["tenant"] = bound;
    return json::serialize(o);
}

result<std::string> several_for_tenant(const call_input& in) {
    const auto bound = tenant_of(in);
    if (bound.empty()) return std::string(in.document);
    SIGRUN_TRY(o, parse_object(in.document));
    auto* jobs = o.if_contains("jobs");
    if (!jobs || !jobs->is_array()) return json::serialize(o);  // it is refused for that
    if (const auto* defaults = object_or_null(o, "defaults"))
        SIGRUN_CHECK_OK(check(*defaults, bound, "defaults.tenant"));
    std::size_t n = 0;
    for (auto& each : jobs->get_array()) {
        if (auto* one = each.if_object()) {
            const auto field = sdk::concat("jobs[", n, "].tenant");
            SIGRUN_CHECK_OK(check(*one, bound, field));
            const auto* defaults = object_or_null(o, "defaults");
            SIGRUN_CHECK_OK(check_signed(*one, defaults && defaults->contains("tenant") ? *defaults : *one,
                                         o.contains("signatures"), bound, field));
            (*one)["tenant"] = bound;
        }
        ++n;
    }
    return json::serialize(o);
}

}  // namespace sigrun

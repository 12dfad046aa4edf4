// config.reload, config.rollback, config.show, config.history, config.diff
#include "kernel/serve/configuration.hpp"
#include "kernel/serve/methods.hpp"

#include <limits>

namespace sigrun {
namespace {

constexpr auto k_any = std::numeric_limits<std::uint32_t>::max();

void answer(const call_ptr& call, const result<json::object>& what) {
    if (what)
        call->last(json::serialize(*what));
    else
        call->fail(what.error());
}

void reload(controller& c, const call_input& in, const call_ptr& call) {
    auto o = parse_params(in.params, {"dry_run"});
    auto dry_run = o ? bool_param(*o, "dry_run", false) : result<bool>(o.error());
    if (!dry_run) return void(call->fail(dry_run.error()));
    c.config->change({"api", *dry_run}, [call](result<json::object> r) { answer(call, r); });
}

void roll_back(controller& c, const call_input& in, const call_ptr& call) {
    auto o = parse_params(in.params, {"revision", "dry_run"});
    auto number = o ? number_param(*o, "revision", 0, 1, k_any) : result<std::uint64_t>(o.error());
    if (!number) return void(call->fail(number.error()));
    auto dry_run = bool_param(*o, "dry_run", false);
    if (!dry_run) return void(call->fail(dry_run.error()));
    const auto revision = *number ? *number : c.config->before_current();
    if (!revision)
        return void(call->fail({errc::not_found, "there is no earlier revision", "revision",
                                "one that is kept (see `sigrun config history`)", "none"}));
    c.config->change({"rollback", *dry_run, revision}, [call](result<json::object> r) { answer(call, r); });
}

void show(controller& c, const call_input& in, const call_ptr& call) {
    auto o = parse_params(in.params, {"revision"});
    auto number = o ? number_param(*o, "revision", 0, 1, k_any) : result<std::uint64_t>(o.error());
    answer(call, number ? c.config->show(*number) : result<json::object>(number.error()));
}

void diff(controller& c, const call_input& in, const call_ptr& call) {
    auto o = parse_params(in.params, {"from", "to"});
    auto from = o ? number_param(*o, "from", 0, 1, k_any) : result<std::uint64_t>(o.error());
    if (!from) return void(call->fail(from.error()));
    auto to = number_param(*o, "to", 0, 1, k_any);
    if (!to) return void(call->fail(to.error()));
    if (!*from) return void(call->fail(bad_value("from", "the number of a revision", "nothing")));
    answer(call, c.config->diff(*from, *to));
}

}  // namespace

void add_config_methods(router& r, controller& c) {
    r.add("config.reload", [&c](const call_input& in, const call_ptr& call) { reload(c, in, call); });
    r.add("config.rollback", [&c](const call_input& in, const call_ptr& call) { roll_back(c, in, call); });
    r.add("config.show", [&c](const call_input& in, const call_ptr& call) { show(c, in, call); });
    r.add("config.diff", [&c](const call_input& in, const call_ptr& call) { diff(c, in, call); });
    r.add("config.history", [&c](const call_input& in, const call_ptr& call) {
        auto o = parse_params(in.params, {});
        answer(call, o ? result<json::object>(c.config->history()) : result<json::object>(o.error()));
    });
}

}  // namespace sigrun

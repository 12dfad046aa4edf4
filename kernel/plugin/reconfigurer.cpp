#include "kernel/plugin/reconfigurer.hpp"

#include "kernel/base/guarded.hpp"
#include "kernel/base/quantity.hpp"
#include "kernel/log/loggers.hpp"
#include "kernel/plugin/watched_call.hpp"

#include <sigrun/cpp/error.hpp>

#include <algorithm>

namespace sigrun {
namespace {

using values_ptr = std::shared_ptr<const bound_section>;

void commit(instance& which, const values_ptr& values) {
    sigrun_instance* abi = which.abi();
    if (SIGRUN_HAS(abi, config_commit)) abi->config_commit(abi);
    which.set_values(values);
}

void abort(instance& which) {
    sigrun_instance* abi = which.abi();
    if (SIGRUN_HAS(abi, config_abort)) abi->config_abort(abi);
}

// What an instance says of its values, with the section it is about and where the key it names is written.
problem located(problem p, const plugin_set::wanted_instance& wanted, const settings& config) {
    const config_section* section = config.find(wanted.section());
    const std::string_view said = p.message;
    const auto colon = said.find(": ");
    const std::string key(said.substr(0, colon == said.npos ? 0 : colon));
    if (p.field.empty() && section && !key.empty()) {
        if (auto at = section->values.find(key); at != section->values.end()) {
            p.field = section->name + "." + key;
            p.message = p.message.substr(colon + 2) + " (" + at->second.origin + ")";
            return p;
        }
    }
    p.field = wanted.section() + (p.field.empty() ? "" : "." + p.field);
    if (section) p.message += " (" + section->origin + ")";
    return p;
}

}  // namespace

struct reconfigurer::transaction {
    const reconfigure_request& request;
    reconfigure_report report{};
    std::vector<std::pair<std::shared_ptr<instance>, values_ptr>> prepared{};  // wait for commit or abort
    std::vector<plugin_set::exchange> exchanges{};
    std::vector<std::shared_ptr<instance>> fresh{}, leaving{};

    explicit transaction(const reconfigure_request& r) : request(r) {}
    transaction(const transaction&) = delete;
    transaction& operator=(const transaction&) = delete;
    // Whoever has prepared and was not committed is told.
    ~transaction() {
        for (auto& [which, values] : prepared) abort(*which);
    }
    void tell(section_effect::kind_t kind, std::string section, std::vector<std::string> keys,
              std::string reason = {}) {
        report.sections.push_back({kind, std::move(section), std::move(keys), std::move(reason)});
    }
};

result<std::uint32_t> reconfigurer::ask(transaction& t, const std::shared_ptr<instance>& running,
                                        const plugin_set::wanted_instance& wanted) {
    if (!SIGRUN_HAS(running->abi(), config_prepare)) return std::uint32_t{SIGRUN_EFFECT_NEEDS_NEW_INSTANCE};
    struct question {
        std::shared_ptr<instance> who;
        values_ptr values;
        sdk::error_text text;
        std::uint32_t effect = SIGRUN_EFFECT_NONE;
        sigrun_result answer = SIGRUN_OK;
    };
    auto q = std::make_shared<question>();
    q->who = running;
    q->values = wanted.values;
    running->stuck = true;
    auto prepare = [q] {
        sigrun_instance* abi = q->who->abi();
        q->answer = abi->config_prepare(abi, q->values->abi(), &q->effect, &q->text.abi);
    };
    auto too_late = [q] {
        abort(*q->who);
        q->who->stuck = false;
        SIGRUN_LOG(logs::plugin, warning, "instance ", q->who->name(),
                   " answered about its new configuration after all");
    };
    if (!run_within(t.request.limit, prepare, too_late))
        return problem{errc::timeout, "the instance did not answer about its new configuration", wanted.section(),
                       "an answer within " + format_duration(t.request.limit), "none so far"};
    running->stuck = false;
    if (q->answer < 0) {
        abort(*running);
        return located(problem::from_abi(q->answer, q->text.text()), wanted, t.request.config);
    }
    if (q->effect > SIGRUN_EFFECT_NEEDS_NEW_INSTANCE) {
        abort(*running);
        return bad_value(wanted.section(), "an effect that config_prepare may answer", std::to_string(q->effect));
    }
    t.prepared.emplace_back(running, wanted.values);
    return q->effect;
}

result<std::shared_ptr<instance>> reconfigurer::standby(const transaction& t,
                                                        const plugin_set::wanted_instance& wanted) {
    using made_ptr = std::shared_ptr<result<std::shared_ptr<instance>>>;
    auto made = made_ptr(new result<std::shared_ptr<instance>>(std::shared_ptr<instance>()));
    auto create = [made, wanted] { *made = plugin_set::create_and_start(wanted); };
    if (!run_within(t.request.limit, create, [] {}))
        return problem{errc::timeout, "the new instance was not created and started", wanted.section(),
                       "to be ready within " + format_duration(t.request.limit), "nothing so far"};
    if (!*made) return located(made->error(), wanted, t.request.config);
    return *made;
}

result<void> reconfigurer::change(transaction& t, const std::shared_ptr<instance>& running,
                                  const plugin_set::wanted_instance& wanted) {
    auto keys = wanted.values->differing_keys(*running->values());
    if (keys.empty()) return {};
    if (running->stuck)
        return problem{errc::busy, "the instance has not answered about an earlier configuration yet", wanted.section(),
                       "an answer; a restart ends the waiting", "none so far"};
    SIGRUN_TRY(effect, ask(t, running, wanted));
    if (effect != SIGRUN_EFFECT_NEEDS_NEW_INSTANCE) {
        t.tell(effect == SIGRUN_EFFECT_NONE ? section_effect::none : section_effect::hot, wanted.section(),
               std::move(keys));
        return {};
    }
    // The running one goes on as it is, until it is replaced.
    if (!t.prepared.empty() && t.prepared.back().first == running) {
        abort(*running);
        t.prepared.pop_back();
    }
    const swapper* how = reloads_.swapper_of(running->kind());
    if (!how) {
        t.tell(section_effect::restart, wanted.section(), std::move(keys),
               "an instance of " + running->kind() + " cannot be replaced while the daemon runs");
        return {};
    }
    t.tell(section_effect::new_instance, wanted.section(), std::move(keys));
    if (t.request.dry_run) return {};
    SIGRUN_TRY(now, standby(t, wanted));
    if (auto fits = how->check(running, now); !fits) return located(fits.error(), wanted, t.request.config);
    t.exchanges.push_back({running, now});
    return {};
}

result<void> reconfigurer::add(transaction& t, const plugin_set::wanted_instance& wanted) {
    const swapper* how = reloads_.swapper_of(wanted.component->kind);
    if (!how || !how->add) {
        t.tell(section_effect::restart, wanted.section(), {},
               "an instance of " + wanted.component->kind + " cannot be added while the daemon runs");
        return {};
    }
    t.tell(section_effect::added, wanted.section(), {});
    if (t.request.dry_run) return {};
    SIGRUN_TRY(now, standby(t, wanted));
    t.fresh.push_back(now);
    return {};
}

// What comes and goes has to be agreed with its users; who has agreed is put back if another one does not.
result<void> reconfigurer::change_members(transaction& t) {
    auto how = [&](const std::shared_ptr<instance>& which) { return reloads_.swapper_of(which->kind()); };
    std::vector<std::shared_ptr<instance>> gone, come;
    auto back = [&] {
        for (const auto& each : come) {
            if (how(each)->remove) (void)how(each)->remove(each);
            plugins_.exclude(each);
        }
        for (const auto& each : gone)
            if (how(each)->add) (void)how(each)->add(each);
    };
    auto refused = [&](const problem& p, const std::shared_ptr<instance>& which) -> result<void> {
        back();
        auto named = p;
        named.field = "instance " + which->name() + (p.field.empty() ? "" : "." + p.field);
        return named;
    };
    for (const auto& each : t.leaving) {
        if (auto agreed = how(each)->remove(each); !agreed) return refused(agreed.error(), each);
        gone.push_back(each);
    }
    for (const auto& each : t.fresh) {
        plugins_.include(each);
        if (auto agreed = how(each)->add(each); !agreed) {
            plugins_.exclude(each);
            return refused(agreed.error(), each);
        }
        come.push_back(each);
    }
    if (!t.request.before_commit) return {};
    auto last = t.request.before_commit(t.report);
    if (!last) back();
    return last;
}

result<void> reconfigurer::prepare(transaction& t, const plugin_set::wanted_set& wanted) {
    const auto running = plugins_.all();
    auto same = [](const instance& have, const plugin_set::wanted_instance& want) {
        return have.name() == want.name && have.component() == want.component->id &&
               have.plugin_id() == want.code->descriptor().id;
    };
    // First whoever is only asked: what may refuse comes before what costs something.
    std::vector<const plugin_set::wanted_instance*> fresh;
    for (const auto& want : wanted.instances) {
        auto have = std::find_if(running.begin(), running.end(), [&](const auto& i) { return same(*i, want); });
        if (have == running.end())
            fresh.push_back(&want);
        else
            SIGRUN_CHECK_OK(change(t, *have, want));
    }
    for (const auto& have : running) {
        if (std::any_of(wanted.instances.begin(), wanted.instances.end(),
                        [&](const auto& want) { return same(*have, want); }))
            continue;
        const swapper* how = reloads_.swapper_of(have->kind());
        if (how && how->add && how->remove) {
            t.tell(section_effect::removed, "instance " + have->name(), {});
            t.leaving.push_back(have);
        } else {
            t.tell(section_effect::restart, "instance " + have->name(), {},
                   "an instance of " + have->kind() + " cannot be removed while the daemon runs");
        }
    }
    for (const auto* want : fresh) SIGRUN_CHECK_OK(add(t, *want));
    return {};
}

void reconfigurer::commit(transaction& t) {
    // The generation before, if one is kept warm, has other values: there is no way back to it.
    for (const auto& [which, values] : t.prepared) reloads_.settle(which->plugin_id());
    for (const auto& each : t.exchanges) reloads_.settle(each.old->plugin_id());
    for (const auto& each : t.leaving) reloads_.settle(each->plugin_id());
    for (auto& [which, values] : t.prepared) sigrun::commit(*which, values);
    t.prepared.clear();
    const auto swaps = t.exchanges;
    for (const auto& each : t.leaving) t.exchanges.push_back({each, nullptr});
    plugins_.commit(t.request.config, t.exchanges);
    for (const auto& [old, now] : swaps)
        if (!reloads_.swapper_of(now->kind())->swap(old, now)) never_let_go(old);
    for (const auto& [old, now] : swaps)
        if (const auto& settle = reloads_.swapper_of(now->kind())->settle) settle(old, now);
    plugins_.retire(t.exchanges);
}

result<reconfigure_report> reconfigurer::carry_out(reconfigure_request& request) {
    SIGRUN_TRY(wanted, plugins_.wanted_instances(request.config));
    transaction t(request);
    t.report.secrets = wanted.secrets;
    for (const auto& name : wanted.unused) t.tell(section_effect::none, name, {}, "its plugin does not run");
    for (const auto& name : plugins_.changed_switches(request.config))
        t.tell(section_effect::restart, name, {}, "plugins are switched at start");
    SIGRUN_CHECK_OK(prepare(t, wanted));
    if (request.dry_run) return t.report;
    SIGRUN_CHECK_OK(change_members(t));
    commit(t);
    if (request.after_commit) request.after_commit(t.report);
    return t.report;
}

void reconfigurer::run(reconfigure_request request, std::function<void(result<reconfigure_report>)> done) {
    auto step = [this, request = std::move(request), done = std::move(done)](const problem* refused) mutable {
        if (refused) return done(*refused);
        done(guarded([&] { return carry_out(request); }));
        reloads_.next();
    };
    reloads_.in_turn(std::move(step));
}

}  // namespace sigrun

// The option table, the values it allows, and configuration in two phases.
#include "rig.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>

namespace sigrun::check {
namespace {

using sdk::concat;

std::string number_text(const sigrun_opt& option, double value) {
    switch (option.type) {
        case SIGRUN_OPT_DURATION: return concat(static_cast<std::int64_t>(value), "ns");
        case SIGRUN_OPT_FLOAT: return std::to_string(value);
        default: return concat(static_cast<std::int64_t>(value));
    }
}

void table(session& s) {
    s.report.begin("config/table");
    rig r(s);
    if (!r) return;
    for (const auto& component : r.about().components) {
        std::string why;
        if (!r.bind(component, {}, &why))
            return s.report.fail("config/table", "defaults that the table itself allows",
                                 concat(component.id, ": ", why));
        for (const auto& option : component.options) {
            const std::string where = concat(component.id, ".", sdk::view(option.key));
            if (option.min > option.max || std::isnan(option.min) || std::isnan(option.max))
                return s.report.fail("config/table", where + ": min is not above max",
                                     concat(option.min, " .. ", option.max));
            if (option.type == SIGRUN_OPT_CHOICE && !option.choices.len)
                return s.report.fail("config/table", where + ": a choice names its choices", "none");
            if (!option.doc.len) s.report.warn("config/table", where + ": one sentence of documentation", "none");
        }
    }
    s.report.pass_unless_told("config/table");
}

void defaults(session& s) {
    s.report.begin("config/defaults");
    rig r(s);
    if (!r) return;
    for (const auto& component : r.about().components) {
        auto* instance = r.running(component);
        if (!instance) return;
        r.destroy(instance);
    }
    s.report.pass_unless_told("config/defaults");

    s.report.begin("config/example");
    // What `sigrun config doc` would write, read back.
    for (const auto& component : r.about().components) {
        const documented_section section{concat("[instance ", component.id, "]"), component.doc, component.options};
        const std::string ini = example_ini({&section, 1});
        auto parsed = settings::parse(ini, "the generated example");
        if (!parsed) return s.report.fail("config/example", "an example that can be read", parsed.error().text());
        const auto* written = parsed->find("instance " + component.id);
        const bool needs_values = std::any_of(component.options.begin(), component.options.end(), [](const auto& o) {
            return (o.flags & SIGRUN_OPT_REQUIRED) && !o.def.len;
        });
        auto bound = bound_section::bind(written, component.options);
        if (!bound && !needs_values)
            return s.report.fail("config/example", "an example that fits the option table", bound.error().text());
    }
    s.report.pass_unless_told("config/example");
}

std::vector<std::string> values_to_try(const sigrun_opt& option) {
    switch (option.type) {
        case SIGRUN_OPT_BOOL: return {"yes", "no"};
        case SIGRUN_OPT_INT:
        case SIGRUN_OPT_FLOAT:
        case SIGRUN_OPT_SIZE:
        case SIGRUN_OPT_DURATION:
            if (option.min == 0 && option.max == 0) return {"1"};
            return {number_text(option, option.min), number_text(option, option.max)};
        case SIGRUN_OPT_CHOICE: {
            std::vector<std::string> out;
            std::string_view rest = sdk::view(option.choices);
            while (!rest.empty()) {
                const auto comma = std::min(rest.find(','), rest.size());
                out.emplace_back(rest.substr(0, comma));
                rest.remove_prefix(std::min(comma + 1, rest.size()));
            }
            return out;
        }
        default: return {};
    }
}

// Values that the table allows: taken, or refused as CONFIG with a text (another option may not fit).
void limits(session& s) {
    s.report.begin("config/limits");
    rig r(s);
    if (!r) return;
    if (auto a = r.load(); !a.ok()) return s.report.fail("config/limits", "load works", a.say());
    unsigned tried = 0;
    for (const auto& component : r.about().components)
        for (const auto& option : component.options)
            for (const auto& value : values_to_try(option)) {
                const std::string key(sdk::view(option.key));
                auto config = r.bind(component, {{key, value}});
                if (!config) continue;
                s.report.set_context(concat(" with ", key, " = ", value));
                sigrun_instance* made = nullptr;
                auto a = r.create(component, *config->abi(), &made);
                ++tried;
                if (a.ok()) {
                    r.destroy(made);
                } else if (a.code != SIGRUN_E_CONFIG || a.text.empty()) {
                    return s.report.fail("config/limits",
                                         concat(key, " = ", value, " works or is refused as CONFIG with a text"),
                                         a.say());
                }
            }
    s.report.pass_unless_told("config/limits");
    (void)tried;
}

void garbage(session& s) {
    s.report.begin("config/garbage");
    rig r(s);
    if (!r) return;
    if (auto a = r.load(); !a.ok()) return s.report.fail("config/garbage", "load works", a.say());
    const std::string strange[] = {
        "\xf0\x9f\x90\x9f", std::string(20'000, 'x'), "%s%n{}$(){};'\"\\", "../../../../etc/shadow", "=,=,==", "-1"};
    for (const auto& component : r.about().components)
        for (const auto& option : component.options) {
            if (option.type < SIGRUN_OPT_STRING || option.type == SIGRUN_OPT_CHOICE) continue;
            for (const auto& value : strange) {
                const std::string key(sdk::view(option.key));
                auto config = r.bind(component, {{key, value}});
                if (!config) continue;
                s.report.set_context(concat(" with a strange ", key));
                sigrun_instance* made = nullptr;
                auto a = r.create(component, *config->abi(), &made);
                if (a.ok()) {
                    r.destroy(made);
                } else if (a.text.empty()) {
                    return s.report.fail("config/garbage",
                                         concat("a strange ", key, " is taken or refused with a text"), a.say());
                }
            }
        }
    s.report.pass_unless_told("config/garbage");
}

std::size_t files_below(const std::string& folder) {
    std::error_code ec;
    std::size_t n = 0;
    for (std::filesystem::recursive_directory_iterator it(folder, ec), end; !ec && it != end; it.increment(ec)) ++n;
    return n;
}

// New values for everything that can be changed while it runs.
option_values other_values(const component_record& component) {
    option_values out;
    for (const auto& option : component.options) {
        const auto choices = values_to_try(option);
        if (choices.empty()) continue;
        const std::string def(sdk::view(option.def));
        auto other = std::find_if(choices.begin(), choices.end(), [&](const auto& v) { return v != def; });
        if (other != choices.end() && (option.flags & SIGRUN_OPT_HOT)) out[std::string(sdk::view(option.key))] = *other;
    }
    return out;
}

void prepare(session& s) {
    s.report.begin("config/prepare-pure");
    rig r(s);
    if (!r) return;
    unsigned with = 0;
    for (const auto& component : r.about().components) {
        if (!r.bind(component)) continue;
        auto* instance = r.running(component);
        if (!instance) return;
        if (!instance->config_prepare) {
            r.destroy(instance);
            continue;
        }
        ++with;
        auto changed = r.bind(component, other_values(component));
        if (!changed) changed = r.bind(component);
        auto ask = [&](std::uint32_t& effect) {
            answer a;
            sdk::error_text error;
            effect = SIGRUN_EFFECT_NONE;
            r.host().ctl("config_prepare",
                         [&] { a.code = instance->config_prepare(instance, changed->abi(), &effect, &error.abi); });
            a.text = error.text();
            return a;
        };
        const auto fds = open_descriptors().size();
        const auto threads = threads_of_this_process().size();
        const auto files = files_below(s.scratch);
        const auto effects = r.host().asked_by("config_prepare").effects;
        std::uint32_t effect = 0;
        auto a = ask(effect);
        std::string did;
        if (open_descriptors().size() != fds) did = "a descriptor opened or closed";
        if (threads_of_this_process().size() != threads) did = "a thread started or ended";
        if (files_below(s.scratch) != files) did = "a file made or removed";
        if (r.host().asked_by("config_prepare").effects != effects)
            did = "a timer, watch, post, thread, metric or completion at the host";
        if (!did.empty()) return s.report.fail("config/prepare-pure", "config_prepare changes nothing", did);
        if (!a.ok() && a.text.empty()) s.report.fail("life/error-text", "config_prepare says why it refuses", a.say());
        s.report.pass_unless_told("config/prepare-pure");

        s.report.begin("config/abort");
        if (a.ok() && effect > SIGRUN_EFFECT_NEEDS_NEW_INSTANCE)
            return s.report.fail("config/abort", "an effect of 0, 1 or 2", concat(effect));
        if (instance->config_abort) r.host().ctl("config_abort", [&] { instance->config_abort(instance); });
        if (const auto problem = exercise(r, instance, component); !problem.empty())
            return s.report.fail("config/abort", "it works as before after an abort", problem);
        a = ask(effect);
        if (a.ok() && effect != SIGRUN_EFFECT_NEEDS_NEW_INSTANCE) {
            if (instance->config_commit) r.host().ctl("config_commit", [&] { instance->config_commit(instance); });
        } else if (instance->config_abort) {
            r.host().ctl("config_abort", [&] { instance->config_abort(instance); });
        }
        if (const auto problem = exercise(r, instance, component); !problem.empty())
            return s.report.fail("config/abort", "it works after a commit", problem);
        r.destroy(instance);
        s.report.begin("config/prepare-pure");
    }
    for (auto id : {"config/prepare-pure", "config/abort"}) {
        if (with)
            s.report.pass_unless_told(id);
        else
            s.report.skip(id, "it has no config_prepare");
    }
}

}  // namespace

std::vector<test> config_tests() {
    return {{"table", {"config/table"}, &table},
            {"defaults", {"config/defaults", "config/example"}, &defaults},
            {"limits", {"config/limits"}, &limits},
            {"garbage", {"config/garbage"}, &garbage},
            {"prepare", {"config/prepare-pure", "config/abort"}, &prepare}};
}

}  // namespace sigrun::check

#include "kernel/job/spec.hpp"

#include "kernel/base/base64.hpp"
#include "kernel/base/rfc3339.hpp"
#include "kernel/config/settings.hpp"
#include "kernel/job/group_field.hpp"
#include "kernel/job/runner_terms.hpp"
#include "kernel/job/spec_secrets.hpp"

#include <sigrun/cpp/job_container.hpp>
#include <sigrun/cpp/job_limits.hpp>
#include <sigrun/cpp/job_setting.hpp>

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <limits>

namespace sigrun {
namespace {

constexpr std::size_t k_max_document = 1u << 20;
constexpr std::size_t k_max_word = 64u << 10;
constexpr std::size_t k_max_words = 4096;
constexpr std::array<std::string_view, k_priority_bands> k_bands{"critical", "high", "normal", "low", "background"};
constexpr std::array<std::string_view, 3> k_durabilities{"fsync", "relaxed", "memory"};

const std::vector<std::string> k_fields{"kind",        "command",   "steps",      "env",        "workdir",
                                        "payload",     "requires",  "prefers",    "queue",      "tenant",
                                        "priority",    "balancer",  "affinity",   "protocol",   "labels",
                                        "timeouts",    "retry",     "durability", "idempotent", "preferred_protocol",
                                        "max_latency", "zone",      "start_at",   "delay",      "limits",
                                        "secrets",     "hedge",     "explain",    "artifacts",  "user",
                                        "pty",         "isolation", "container",  "group",      "signature"};

std::string kind_of(const json::value& v) {
    switch (v.kind()) {
        case json::kind::null: return "null";
        case json::kind::bool_: return "a boolean";
        case json::kind::string: return "\"" + std::string(v.get_string().subview(0, 60)) + "\"";
        case json::kind::array: return "an array";
        case json::kind::object: return "an object";
        default: return json::serialize(v);
    }
}

problem unknown(const std::string& path, std::string_view name, const std::vector<std::string>& known) {
    auto near = nearest_name(name, known);
    std::string expected;
    if (near.empty()) {
        for (const auto& k : known) expected += (expected.empty() ? "one of " : ", ") + k;
    } else {
        expected = "a known field, perhaps \"" + near + "\"";
    }
    return {errc::unknown_field, "unknown field", path.empty() ? std::string(name) : path + "." + std::string(name),
            expected, "\"" + std::string(name) + "\""};
}

result<std::string> text_field(const json::value& v, const std::string& field) {
    if (!v.is_string()) return bad_value(field, "a text", kind_of(v));
    auto s = v.get_string();
    if (s.size() > k_max_word)
        return problem{errc::too_large, "too long", field, "at most 64 KiB", std::to_string(s.size()) + " bytes"};
    if (std::find(s.begin(), s.end(), '\0') != s.end())
        return bad_value(field, "a text without NUL characters", "one with NUL");
    return std::string(s);
}

result<std::vector<std::string>> command_field(const json::value& v, const std::string& field) {
    if (!v.is_array() || v.get_array().empty())
        return bad_value(field, "an array of texts such as [\"make\", \"check\"]",
                         v.is_array() ? "an empty array" : kind_of(v));
    std::vector<std::string> out;
    for (const auto& item : v.get_array()) {
        if (out.size() == k_max_words)
            return problem{errc::too_large, "too many words", field, "at most 4096 words", "more"};
        SIGRUN_TRY(word, text_field(item, field + "[" + std::to_string(out.size()) + "]"));
        out.push_back(std::move(word));
    }
    if (out[0].empty()) return bad_value(field + "[0]", "the name of a program or function", "\"\"");
    return out;
}

result<nanoseconds> duration_field(const json::value& v, const std::string& field) {
    SIGRUN_TRY(text, text_field(v, field));
    auto d = parse_duration(text);
    if (!d) {
        auto p = d.error();
        p.field = field;
        return p;
    }
    return *d;
}

template <std::size_t N>
result<std::size_t> choice_field(const json::value& v, const std::string& field,
                                 const std::array<std::string_view, N>& choices) {
    SIGRUN_TRY(text, text_field(v, field));
    std::string expected;
    for (std::size_t i = 0; i < N; ++i) {
        if (choices[i] == text) return i;
        expected += (i ? ", " : "one of ") + std::string(choices[i]);
    }
    return bad_value(field, expected, "\"" + text + "\"");
}

result<std::uint32_t> count_field(const json::value& v, const std::string& field, std::uint32_t max) {
    boost::system::error_code ec;
    auto n = v.is_number() ? v.to_number<std::uint32_t>(ec) : 0;
    if (!v.is_number() || ec || n > max)
        return bad_value(field, "a whole number from 0 to " + std::to_string(max), kind_of(v));
    return n;
}

result<buffer_ref> payload_field(const json::value& v) {
    if (v.is_null()) return buffer_ref();
    if (v.is_string()) return buffer_ref::copy_of(v.get_string());
    const json::value* b64 =
        v.is_object() && v.get_object().size() == 1 ? v.get_object().if_contains("base64") : nullptr;
    if (!b64 || !b64->is_string()) return bad_value("payload", "a text, {\"base64\": text} or null", kind_of(v));
    auto raw = from_base64(b64->get_string());
    if (!raw) return bad_value("payload.base64", "base64 text", "other characters");
    return buffer_ref::copy_of(*raw);
}

struct parser {
    selector& select;
    const spec_defaults& defaults;
    job_spec spec{};
    std::string own_terms{};  // what Sigrun itself asks of a runner
    std::optional<group_wish> group{};

    static std::string with(const std::string& first, const std::string& second) {
        return first.empty() ? second : "(" + first + ") && (" + second + ")";
    }

    result<void> steps_field(const json::value& v) {
        if (!v.is_array() || v.get_array().empty() || v.get_array().size() > 256)
            return bad_value("steps", "an array of 1 to 256 commands", kind_of(v));
        for (const auto& step : v.get_array()) {
            std::string field = "steps[" + std::to_string(spec.steps++) + "]";
            const json::value* command = &step;
            if (const auto* o = step.if_object()) {
                command = o->if_contains("command");
                for (const auto& [k, x] : *o)
                    if (k == "continue_on_error" && !x.is_bool() && !x.is_null())
                        return bad_value(field + ".continue_on_error", "true or false", kind_of(x));
                    else if (k != "command" && k != "name" && k != "continue_on_error")
                        return unknown(field, k, {"name", "command", "continue_on_error"});
                if (!command) return bad_value(field + ".command", "an array of texts", "nothing");
            }
            SIGRUN_CHECK_OK(command_field(*command, field));
        }
        return {};
    }

    result<void> map_field(const json::value& v, const std::string& field, label_map* into) {
        const auto* o = v.if_object();
        if (!o) return bad_value(field, "an object of texts", kind_of(v));
        if (o->size() > 1024)
            return problem{errc::too_large, "too many entries", field, "at most 1024", std::to_string(o->size())};
        for (const auto& [k, x] : *o) {
            std::string name(k);
            if (name.empty() || name.find('=') != std::string::npos || name.find('\0') != std::string::npos)
                return bad_value(field, "names without \"=\" or NUL", "\"" + name + "\"");
            SIGRUN_TRY(text, text_field(x, field + "." + name));
            if (into) (*into)[name] = text;
        }
        return {};
    }

    result<void> prefers_field(const json::value& v) {
        const auto* list = v.if_array();
        if (!list || list->size() > 8) return bad_value("prefers", "an array of at most 8 preferences", kind_of(v));
        for (std::size_t i = 0; i < list->size(); ++i) {
            std::string field = "prefers[" + std::to_string(i) + "]";
            const auto* o = (*list)[i].if_object();
            if (!o) return bad_value(field, "{\"if\": requirement, \"weight\": number}", kind_of((*list)[i]));
            preference p;
            p.weight = 1;
            std::string condition;
            for (const auto& [k, x] : *o) {
                if (k == "if") {
                    SIGRUN_TRY(text, text_field(x, field + ".if"));
                    condition = text;
                } else if (k == "weight") {
                    if (!x.is_int64()) return bad_value(field + ".weight", "a whole number", kind_of(x));
                    p.weight = x.get_int64();
                } else {
                    return unknown(field, k, {"if", "weight"});
                }
            }
            if (condition.empty()) return bad_value(field + ".if", "a requirement", "nothing");
            auto alone = requirement::compile(condition);
            if (!alone) {
                auto bad = alone.error();
                bad.field = field + ".if";
                return bad;
            }
            SIGRUN_TRY(joint, defaults.requirements->compile(with(with(spec.requires_text, condition), own_terms)));
            p.pred = select.intern(joint);
            spec.prefers.push_back(std::move(p));
        }
        std::stable_sort(spec.prefers.begin(), spec.prefers.end(),
                         [](const auto& a, const auto& b) { return a.weight > b.weight; });
        return {};
    }

    nanoseconds* timeout_named(std::string_view name) {
        if (name == "queue") return &spec.queue_timeout;
        if (name == "start") return &spec.start_timeout;
        if (name == "run") return &spec.run_timeout;
        if (name == "silent") return &spec.silent_timeout;
        if (name == "total") return &spec.total_timeout;
        return nullptr;
    }

    result<void> timeouts_field(const json::value& v) {
        const auto* o = v.if_object();
        if (!o) return bad_value("timeouts", "an object", kind_of(v));
        for (const auto& [k, x] : *o) {
            nanoseconds* const into = timeout_named(k);
            if (!into) return unknown("timeouts", k, {"queue", "start", "run", "silent", "total"});
            SIGRUN_TRY(d, duration_field(x, "timeouts." + std::string(k)));
            *into = d;
        }
        spec.names_start_timeout = o->contains("start");
        if (spec.run_timeout.count() == 0) return bad_value("timeouts.run", "a duration above 0", "0");
        return {};
    }

    static result<void> limits_field(const json::value& v) {
        sdk::job_limits limits;  // the runner reads them again: it is given the document
        const auto fault = sdk::read_job_limits(v, limits);
        if (!fault) return {};
        if (!fault->unknown) return bad_value(fault->field, fault->expected, fault->found);
        std::vector<std::string> known{"enforce"};
        for (const auto& row : sdk::k_job_limits) known.emplace_back(row.name);
        return unknown("limits", fault->field, known);
    }

    result<void> retry_field(const json::value& v) {
        const auto* o = v.if_object();
        if (!o) return bad_value("retry", "an object", kind_of(v));
        for (const auto& [k, x] : *o) {
            if (k == "memory_factor") {
                boost::system::error_code ec;
                const double n = x.is_number() ? x.to_number<double>(ec) : 0;
                if (!(n >= 1 && n <= 8))
                    return bad_value("retry.memory_factor", "a number from 1 to 8 such as 1.5", kind_of(x));
                spec.memory_factor = n;
                continue;
            }
            if (k != "user" && k != "infrastructure")
                return unknown("retry", k, {"user", "infrastructure", "memory_factor"});
            SIGRUN_TRY(n, count_field(x, "retry." + std::string(k), 100));
            (k == "user" ? spec.retry_user : spec.retry_infrastructure) = n;
        }
        return {};
    }

    result<void> field(std::string_view name, const json::value& v) {
        std::string f(name);
        if (f == "kind") {
            SIGRUN_TRY(text, text_field(v, f));
            auto word = [](char c) {
                return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
            };
            if (text.empty() || text.size() > 64 || !std::all_of(text.begin(), text.end(), word))
                return bad_value(f, "process, call or another executor's kind", kind_of(v));
            spec.kind = text;
        } else if (f == "command") {
            SIGRUN_TRY(words, command_field(v, f));
            spec.command = std::move(words);
        } else if (f == "steps") {
            return steps_field(v);
        } else if (f == "env") {
            return map_field(v, f, nullptr);
        } else if (f == "secrets") {
            return check_secrets(v);
        } else if (f == "workdir") {
            SIGRUN_CHECK_OK(text_field(v, f));
        } else if (f == "payload") {
            SIGRUN_TRY(bytes, payload_field(v));
            spec.payload = bytes;
        } else if (f == "requires") {
            SIGRUN_TRY(text, text_field(v, f));
            spec.requires_text = text;
        } else if (f == "queue" || f == "tenant") {
            SIGRUN_TRY(text, text_field(v, f));
            if (text.size() > 128) return bad_value(f, "at most 128 bytes", std::to_string(text.size()) + " bytes");
            (f == "queue" ? spec.queue : spec.tenant) = text;
        } else if (f == "priority") {
            SIGRUN_TRY(i, choice_field(v, f, k_bands));
            spec.priority = static_cast<priority_band>(i);
        } else if (f == "durability") {
            SIGRUN_TRY(i, choice_field(v, f, k_durabilities));
            spec.keep = static_cast<durability>(i);
        } else if (f == "balancer") {
            SIGRUN_TRY(text, text_field(v, f));
            spec.balancer = text;
        } else if (f == "affinity") {
            SIGRUN_TRY(text, text_field(v, f));
            if (text.size() > 256) return bad_value(f, "at most 256 bytes", std::to_string(text.size()) + " bytes");
            if (!text.empty()) spec.affinity_key = affinity_key_of(text);
        } else if (f == "zone") {
            SIGRUN_TRY(text, text_field(v, f));
            if (text.size() > zone_board::k_max_name)
                return bad_value(f, "at most 64 bytes", std::to_string(text.size()) + " bytes");
            spec.zone = text;
        } else if (f == "protocol" || f == "preferred_protocol") {
            SIGRUN_TRY(text, text_field(v, f));
            (f == "protocol" ? spec.protocol : spec.preferred_protocol) = text;
        } else if (f == "max_latency") {
            SIGRUN_TRY(d, duration_field(v, f));
            if (d.count() <= 0) return bad_value(f, "a duration above 0", kind_of(v));
            spec.max_latency = d;
        } else if (f == "start_at") {
            SIGRUN_TRY(text, text_field(v, f));
            const auto at = parse_rfc3339(text);
            if (!at || *at <= 0) return bad_value(f, "a time such as 2026-01-05T10:00:00Z", kind_of(v));
            spec.start_at_ns = *at;
        } else if (f == "delay") {
            SIGRUN_TRY(d, duration_field(v, f));
            if (d > k_longest_delay) return bad_value(f, "at most " + format_duration(k_longest_delay), kind_of(v));
            spec.delay = d;
        } else if (f == "group") {
            SIGRUN_TRY(wish, read_group_field(v));
            group = wish;
        } else if (f == "signature") {
            SIGRUN_TRY(signature, parse_job_signature(v));
            spec.signature = std::make_shared<const job_signature>(std::move(signature));
        } else if (f == "labels") {
            return map_field(v, f, &spec.labels);
        } else if (f == "timeouts") {
            return timeouts_field(v);
        } else if (f == "artifacts") {
            SIGRUN_TRY(wishes, parse_artifact_wishes(v));
            spec.artifacts = std::move(wishes);
        } else if (f == "limits") {
            return limits_field(v);
        } else if (f == "user" || f == "pty" || f == "isolation" || f == "container") {
            // By finish(), all of them together.
        } else if (f == "retry") {
            return retry_field(v);
        } else if (f == "idempotent") {
            if (!v.is_bool()) return bad_value(f, "true or false", kind_of(v));
            spec.idempotent = v.get_bool();
        } else if (f == "hedge" || f == "explain") {
            if (!v.is_bool()) return bad_value(f, "true or false", kind_of(v));
            (f == "hedge" ? spec.hedge : spec.explain) = v.get_bool();
        } else if (f != "prefers") {
            return unknown("", name, k_fields);
        }
        return {};
    }

    result<void> known_protocol(const std::string& field, std::string known, const std::string& name) const {
        const auto& all = defaults.protocols;
        if (std::find(all.begin(), all.end(), name) != all.end()) return {};
        for (const auto& each : all) known += each + ", ";
        return bad_value(field, "one of " + known.substr(0, known.size() - 2), "\"" + name + "\"");
    }

    result<void> setting_of(const json::object& o) const {
        sdk::job_setting setting;  // the runner reads it again
        if (const auto fault = sdk::read_job_setting(o, setting))
            return bad_value(fault->field, fault->expected, fault->found);
        sdk::job_container container;
        if (const auto fault = sdk::read_job_container(o, spec.kind, container))
            return bad_value(fault->field, fault->expected, fault->found);
        for (const auto* name : {"user", "pty", "isolation"})
            if (spec.kind == "call" && o.contains(name))
                return bad_value(name, "none: a call runs inside the runner's own process", name);
        return {};
    }

    result<void> finish(const json::object& o) {
        if (spec.command.empty() == (spec.steps == 0))
            return bad_value("command", "either command or steps", spec.steps ? "both" : "neither");
        if (spec.start_at_ns && spec.delay.count()) return bad_value("delay", "either start_at or delay", "both");
        if (spec.total_timeout.count() && spec.total_timeout <= spec.delay)
            return bad_value("timeouts.total", "more than the delay of " + format_duration(spec.delay),
                             format_duration(spec.total_timeout));
        if (spec.silent_timeout.count() && spec.kind == "call")
            return bad_value("timeouts.silent", "nothing: a call has no output", format_duration(spec.silent_timeout));
        if (spec.hedge && !spec.idempotent)
            return bad_value("hedge", "false: a job with idempotent = false must not run twice", "true");
        if (group && group->policy == group_policy::refuse && (spec.start_at_ns || spec.delay.count()))
            return bad_value("group.policy", "queue, cancel_running or cancel_waiting for a job that starts later",
                             "refuse");
        if (spec.steps && spec.kind == "call") return bad_value("steps", "command: a call has no steps", "steps");
        if (spec.kind == "call" && o.contains("limits"))
            return bad_value("limits", "none: a call runs inside the runner's own process", "limits");
        if (spec.kind == "call" && !spec.artifacts.empty())
            return bad_value("artifacts", "none: a call leaves no files", "some");
        SIGRUN_CHECK_OK(setting_of(o));
        const auto* limits = object_or_null(o, "limits");
        if (spec.memory_factor > 1 && (!limits || !limits->contains("memory")))
            return bad_value("retry.memory_factor", "limits.memory beside it", "no limit of memory");
        for (const auto& [k, v] : spec.labels)
            if (k.rfind("sigrun.", 0) == 0)
                return bad_value("labels", "names that do not begin with \"sigrun.\"", "\"" + k + "\"");
        // Runners say which kinds of job they can run, and whose: that is part of what a job requires.
        own_terms = runner_terms(spec.kind, spec.signature ? std::string_view(spec.signature->key_id) : "");
        const auto joint = with(spec.requires_text, own_terms);
        spec.requirement = defaults.requirements->find(joint);
        if (!spec.requirement) {
            SIGRUN_CHECK_OK(requirement::compile(spec.requires_text));  // alone: a fault is found in what was written
            SIGRUN_TRY(made, defaults.requirements->compile(joint));
            spec.requirement = made;
        }
        spec.pred = select.intern(spec.requirement);
        spec.source_zone = select.zone_source(spec.zone);
        if (const auto* prefers = o.if_contains("prefers")) SIGRUN_CHECK_OK(prefers_field(*prefers));
        const auto& rules = *defaults.rules;
        const auto queue = rules.queues.find(spec.queue);
        const bool has_rules = queue != rules.queues.end();
        if (has_rules && !o.contains("priority")) spec.priority = queue->second.priority;
        if (spec.balancer.empty()) {
            spec.balancer = has_rules ? queue->second.balancer : "";
            if (spec.balancer.empty()) spec.balancer = rules.balancers[static_cast<std::size_t>(spec.priority)];
            // Was there when the configuration was checked; if its plugin has gone since, the default one picks.
            spec.balancer_id = select.balancer_id(spec.balancer);
        } else {
            spec.balancer_id = select.balancer_id(spec.balancer);
            if (!spec.balancer_id) {
                std::string known;
                for (const auto& n : select.balancer_names()) known += (known.empty() ? "one of " : ", ") + n;
                return bad_value("balancer", known, "\"" + spec.balancer + "\"");
            }
        }
        spec.names_protocol = spec.protocol != "auto";
        if (spec.names_protocol) SIGRUN_CHECK_OK(known_protocol("protocol", "auto, ", spec.protocol));
        if (!spec.preferred_protocol.empty())
            SIGRUN_CHECK_OK(known_protocol("preferred_protocol", "", spec.preferred_protocol));
        return {};
    }
};

}  // namespace

std::string_view to_string(priority_band p) noexcept { return k_bands[static_cast<std::size_t>(p)]; }
std::optional<priority_band> parse_priority(std::string_view text) noexcept {
    for (std::size_t i = 0; i < k_bands.size(); ++i)
        if (k_bands[i] == text) return static_cast<priority_band>(i);
    return std::nullopt;
}
std::string_view to_string(durability d) noexcept { return k_durabilities[static_cast<std::size_t>(d)]; }

std::uint64_t affinity_key_of(std::string_view text) noexcept {
    return std::max<std::uint64_t>(XXH3_64bits(text.data(), text.size()), 1);
}

result<spec_ptr> parse_job_spec(std::string_view document, selector& select, const spec_defaults& defaults) {
    if (document.size() > k_max_document)
        return problem{errc::too_large, "the job document is too large", "document", "at most 1 MiB",
                       std::to_string(document.size()) + " bytes"};
    auto parsed = parse_object(document);
    if (!parsed) {
        auto p = parsed.error();
        p.field = "document";
        return p;
    }
    const json::object& o = *parsed;
    parser p{select, defaults};
    p.spec.retry_infrastructure = defaults.retry_infrastructure;
    p.spec.document = document;
    for (const auto& [k, v] : o) SIGRUN_CHECK_OK(p.field(k, v));
    SIGRUN_CHECK_OK(p.finish(o));
    SIGRUN_CHECK_OK(hide_secrets(o, p.spec, defaults.secrets.get()));
    p.spec.queue_account = defaults.queues->find(p.spec.queue);
    p.spec.tenant_account = defaults.tenants->find(p.spec.tenant);
    p.spec.cls = defaults.classes->of(p.spec.pred);
    p.spec.demand =
        defaults.demand->of(p.spec.pred, p.spec.kind, p.spec.protocol, p.spec.queue_account, p.spec.tenant_account);
    if (p.group)
        p.spec.group = std::make_shared<group_terms>(
            group_terms{defaults.groups->find(p.spec.tenant, p.group->name), p.group->max, p.group->policy});
    return spec_ptr(std::make_shared<const job_spec>(std::move(p.spec)));
}

}  // namespace sigrun

#include "kernel/auth/gate.hpp"
#include "kernel/base/quantity.hpp"
#include "kernel/capability/export/export.hpp"
#include "kernel/guard/ed25519.hpp"
#include "kernel/link/greeting.hpp"
#include "kernel/serve/methods.hpp"
#include "kernel/serve/no_match.hpp"
#include "kernel/serve/runner_json.hpp"

#include <algorithm>

namespace sigrun {
namespace {

/// Whether the caller may be the runner he says he is.
result<void> check_runner(controller& c, const call_input& in) {
    if (!in.who) return {};
    SIGRUN_TRY(hello, parse_greeting(in.document));
    return c.who->admit_runner(in.session, *in.who, in.auth, hello.name, sha256_hex(hello.key), hello.labels);
}

// Calls `body` with the runner named by the param id, or answers with the problem.
template <class Body>
void with_runner(controller& c, const result<json::object>& params, const call_ptr& call, Body&& body) {
    if (!params) return void(call->fail(params.error()));
    auto name = required_text(*params, "id");
    if (!name) return void(call->fail(name.error()));
    auto m = c.links.find(*name);
    if (!m) return void(call->fail(m.error()));
    body(*m);
}

void answer(controller& c, const member_ptr& m, const call_ptr& call, bool with_facts = false) {
    call->last(json::serialize(runner_json(c, m, with_facts)));
}

// Answers with the runner once what was changed is on disk.
registry::stored_fn answer_when_stored(controller& c, const std::string& name, const call_ptr& call) {
    return [&c, name, call](result<void> stored) {
        if (!stored) return void(call->fail(stored.error()));
        auto m = c.links.find(name);
        if (m)
            answer(c, *m, call);
        else
            call->fail(m.error());
    };
}

result<std::string> list_runners(controller& c, const json::object& o) {
    SIGRUN_TRY(limit, number_param(o, "limit", 1000, 1, 10'000));
    SIGRUN_TRY(where, requirement::compile(text_or(o, "where")));
    auto cursor = text_or(o, "cursor");
    json::array items;
    json::value next;
    for (const auto& r : c.runners.all()) {
        if (!cursor.empty() && r->identity.name <= cursor) continue;
        {
            std::lock_guard lock(r->mutex);
            match_subject subject{r->facts.get(), &r->identity.labels};
            if (where->matches(subject) != truth::yes) continue;
        }
        if (items.size() == limit) {
            next = json::value(items.back().as_object().at("name"));
            break;
        }
        if (auto m = c.links.find(r->uid().text())) items.push_back(runner_json(c, *m, false));
    }
    json::object out{{"items", std::move(items)}, {"next", std::move(next)}};
    if (cursor.empty() && out["items"].as_array().empty() && !text_or(o, "where").empty())
        out["reason"] = no_match_text(c.links, c.select.explain(*where));
    return json::serialize(out);
}

result<json::object> exported(const member_ptr& m, std::string_view format) {
    sheet_ptr facts;
    {
        std::lock_guard lock(m->info->mutex);
        facts = m->info->facts;
    }
    SIGRUN_TRY(out, export_facts(capability_document(facts ? facts->facts() : std::vector<fact>()), format));
    out["runner"] = m->info->identity.name;
    return out;
}

result<runner_identity> identity_from(std::string_view document) {
    SIGRUN_TRY(o, parse_object(document));
    runner_identity r;
    for (const auto& [k, v] : o) {
        std::string field(k);
        if (field == "name" || field == "endpoint" || field == "profile") {
            if (!v.is_string()) return bad_value(field, "a text", json::serialize(v));
            (field == "name" ? r.name : field == "endpoint" ? r.endpoint : r.profile) = std::string(v.get_string());
        } else if (field == "labels") {
            const auto* labels = v.if_object();
            if (!labels || labels->size() > 64)
                return bad_value(field, "an object of at most 64 texts", json::serialize(v).substr(0, 80));
            for (const auto& [name, text] : *labels) {
                if (!text.is_string()) return bad_value("labels." + std::string(name), "a text", json::serialize(text));
                r.labels[std::string(name)] = std::string(text.get_string());
            }
        } else if (field == "slots") {
            if (v.is_null()) continue;
            boost::system::error_code ec;
            auto n = v.is_number() ? v.to_number<std::uint16_t>(ec) : std::uint16_t{0};
            if (ec || n == 0) return bad_value(field, "a number from 1 to 65535", json::serialize(v));
            r.slots = n;
        } else if (field == "options") {
            if (v.is_null()) continue;
            if (!v.is_object()) return bad_value(field, "an object with settings of the protocol", json::serialize(v));
            r.options = json::serialize(v);
        } else {
            return problem{errc::unknown_field, "unknown field", field,
                           "one of name, endpoint, profile, labels, slots, options", "\"" + field + "\""};
        }
    }
    return r;
}

void set_admin(controller& c, const call_input& in, const call_ptr& call, admin_state state) {
    auto o = parse_params(in.params, {"id", "reason"});
    with_runner(c, o, call, [&](const member_ptr& m) {
        c.links.set_admin(m, state, text_or(*o, "reason"), answer_when_stored(c, m->info->identity.name, call));
    });
}

}  // namespace

void add_runner_methods(router& r, controller& c) {
    r.add("runners.register", [&c](const call_input& in, const call_ptr& call) {
        if (auto known = check_runner(c, in); !known) return void(call->fail(known.error()));
        auto welcome = c.links.admit(in.session, in.document);
        if (welcome)
            call->reply(*welcome, nullptr, SIGRUN_FRAME_LAST | SIGRUN_FRAME_LINK);
        else
            call->fail(welcome.error());
    });
    r.add("runners.add", [&c](const call_input& in, const call_ptr& call) {
        auto identity = identity_from(in.document);
        if (!identity) return void(call->fail(identity.error()));
        std::string name = identity->name;
        auto m = c.links.add(std::move(*identity), answer_when_stored(c, name, call));
        if (!m) call->fail(m.error());
    });
    r.add("runners.list", [&c](const call_input& in, const call_ptr& call) {
        auto o = parse_params(in.params, {"where", "limit", "cursor"});
        auto list = o ? list_runners(c, *o) : result<std::string>(o.error());
        if (list)
            call->last(*list);
        else
            call->fail(list.error());
    });
    r.add("runners.get", [&c](const call_input& in, const call_ptr& call) {
        with_runner(c, parse_params(in.params, {"id"}), call, [&](const member_ptr& m) { answer(c, m, call, true); });
    });
    r.add("runners.export", [&c](const call_input& in, const call_ptr& call) {
        auto o = parse_params(in.params, {"id", "format"});
        with_runner(c, o, call, [&](const member_ptr& m) {
            auto out = exported(m, text_or(*o, "format"));
            if (out)
                call->last(json::serialize(*out));
            else
                call->fail(out.error());
        });
    });
    r.add("runners.remove", [&c](const call_input& in, const call_ptr& call) {
        auto o = parse_params(in.params, {"id", "force"});
        with_runner(c, o, call, [&](const member_ptr& m) {
            auto force = bool_param(*o, "force", false);
            if (!force) return void(call->fail(force.error()));
            std::uint32_t busy = 0;
            {
                std::lock_guard lock(m->mutex);
                if (m->indexed) busy = c.select.in_flight(m->slot);
            }
            if (busy && !*force)
                return void(call->fail({errc::conflict, "the runner has jobs in flight; drain it first, or force", "id",
                                        "a runner without jobs", std::to_string(busy) + " in flight"}));
            auto before = json::serialize(runner_json(c, m, false));
            auto removed = c.links.remove(m, "removed by an operator");
            if (removed)
                call->last(before);
            else
                call->fail(removed.error());
        });
    });
    r.add("runners.drain",
          [&c](const call_input& in, const call_ptr& call) { set_admin(c, in, call, admin_state::draining); });
    r.add("runners.maintenance",
          [&c](const call_input& in, const call_ptr& call) { set_admin(c, in, call, admin_state::maintenance); });
    r.add("runners.resume",
          [&c](const call_input& in, const call_ptr& call) { set_admin(c, in, call, admin_state::none); });
    r.add("runners.detect", [&c](const call_input& in, const call_ptr& call) {
        with_runner(c, parse_params(in.params, {"id"}), call, [&](const member_ptr& m) {
            c.links.detect(m, [&c, m, call](result<void> done) {
                if (done)
                    answer(c, m, call, true);
                else
                    call->fail(done.error());
            });
        });
    });
    r.add("runners.migrate", [&c](const call_input& in, const call_ptr& call) {
        auto o = parse_params(in.params, {"id", "to"});
        with_runner(c, o, call, [&](const member_ptr& m) {
            auto to = required_text(*o, "to");
            if (!to) return void(call->fail(to.error()));
            c.links.migrate(m, *to, [&c, m, call](result<void> done) {
                if (done)
                    answer(c, m, call);
                else
                    call->fail(done.error());
            });
        });
    });
    r.add("runners.reload", [&c](const call_input& in, const call_ptr& call) {
        auto o = parse_params(in.params, {"id", "plugin"});
        with_runner(c, o, call, [&](const member_ptr& m) {
            c.links.reload(m, std::string(text_or(*o, "plugin")), [m, call](result<json::array> done) {
                if (!done) return void(call->fail(done.error()));
                call->last(
                    json::serialize(json::object{{"runner", m->info->identity.name}, {"plugins", std::move(*done)}}));
            });
        });
    });
}

}  // namespace sigrun

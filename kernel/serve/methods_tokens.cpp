// Tokens: made, listed and taken back. A token's text is in the answer of tokens.create and nowhere else.
#include "kernel/auth/gate.hpp"
#include "kernel/base/quantity.hpp"
#include "kernel/serve/methods.hpp"
#include "kernel/serve/plain_method.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>

namespace sigrun {
namespace {

constexpr std::size_t k_max_text = 128;

result<std::string> short_text(const json::object& o, std::string_view name, std::string_view otherwise) {
    const auto text = text_or(o, name, otherwise);
    const bool plain = std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
    if (text.empty() || text.size() > k_max_text || !plain)
        return bad_value(std::string(name), "1 to 128 visible ASCII characters",
                         "\"" + std::string(text.substr(0, 80)) + "\"");
    return std::string(text);
}

result<token_request> read_request(std::string_view document) {
    SIGRUN_TRY(o, parse_object(document));
    for (const auto& [k, v] : o)
        if (k != "name" && k != "role" && k != "join" && k != "expires" && k != "runners" && k != "labels" &&
            k != "tenant")
            return problem{errc::unknown_field, "unknown member", std::string(k),
                           "one of name, role, join, expires, runners, labels, tenant", "\"" + std::string(k) + "\""};
    token_request out;
    SIGRUN_TRY(join, bool_param(o, "join", false));
    out.join = join;
    SIGRUN_TRY(name, short_text(o, "name", join ? "join" : ""));
    out.name = name;
    SIGRUN_TRY(runners, short_text(o, "runners", "*"));
    out.runners = runners;
    const auto wanted = text_or(o, "role", join ? "runner" : "");
    const auto granted = parse_role(wanted);
    if (!granted || (join && *granted != role::runner))
        return bad_value("role", join ? std::string("runner") : std::string(k_role_names),
                         "\"" + std::string(wanted) + "\"");
    out.grants = *granted;
    if (const auto tenant = text_or(o, "tenant"); !tenant.empty()) {
        // Of fleet and daemon there is but one: who runs them is bound to no tenant.
        if (*granted != role::reader && *granted != role::submitter)
            return bad_value("tenant", "role reader or submitter beside it", sdk::concat("role ", wanted));
        SIGRUN_TRY(bound, short_text(o, "tenant", ""));
        out.tenant = bound;
    }
    // One that lies about unused should not open the door for ever.
    SIGRUN_TRY(life, duration_param(o, "expires", join ? nanoseconds(std::chrono::hours(24)) : nanoseconds(0)));
    if (life.count() < 0 || (join && life.count() == 0))
        return bad_value("expires", "a duration such as 24h", std::string(text_or(o, "expires")));
    out.life = life;
    if (const auto* labels = o.if_contains("labels")) {
        if (!labels->is_object()) return bad_value("labels", "an object of texts", "something else");
        for (const auto& [k, v] : labels->as_object()) {
            if (!v.is_string()) return bad_value("labels." + std::string(k), "a text", "something else");
            out.labels[std::string(k)] = v.get_string();
        }
    }
    return out;
}

}  // namespace

void add_token_methods(router& r, controller& c) {
    r.add("tokens.create", [&c](const call_input& in, const call_ptr& call) {
        auto wanted = read_request(in.document);
        if (!wanted) return void(call->fail(wanted.error()));
        auto made = c.who->tokens().create(*wanted);
        if (!made) return void(call->fail(made.error()));
        auto o = made->record.to_json();
        o["token"] = made->text;
        call->last(json::serialize(o));
    });
    r.add("tokens.list", plain({}, [&c](const json::object&, const call_input&, const call_ptr& call) {
              json::array items;
              for (const auto& each : c.who->tokens().list()) items.push_back(each.to_json());
              call->last(json::serialize(json::object{{"items", std::move(items)}, {"next", nullptr}}));
          }));
    r.add("tokens.rotate",
          plain({"id", "overlap"}, [&c](const json::object& o, const call_input&, const call_ptr& call) {
              auto id = required_text(o, "id");
              if (!id) return void(call->fail(id.error()));
              constexpr std::chrono::hours k_longest{24 * 30};
              auto overlap = duration_param(o, "overlap", nanoseconds(0));
              if (!overlap) return void(call->fail(overlap.error()));
              if (overlap->count() < 0 || *overlap > k_longest)
                  return void(call->fail(bad_value("overlap", "0s to 30d", format_duration(*overlap))));
              auto made = c.who->tokens().rotate(*id, *overlap);
              if (!made) return void(call->fail(made.error()));
              auto answer = made->record.to_json();
              answer["token"] = made->text;
              call->last(json::serialize(answer));
          }));
    r.add("tokens.remove", plain({"id"}, [&c](const json::object& o, const call_input&, const call_ptr& call) {
              auto id = required_text(o, "id");
              if (!id) return void(call->fail(id.error()));
              auto gone = c.who->tokens().remove(*id);
              if (!gone) return void(call->fail(gone.error()));
              // What it was let in with is not there any more: it has to ask again.
              if (gone->kind == token_record::kind_t::runner)
                  if (auto m = c.links.find(gone->name)) c.links.hang_up(*m);
              call->last(json::serialize(gone->to_json()));
          }));
}

}  // namespace sigrun

#include "serve/exchange.hpp"

#include "serve/dashboard.hpp"
#include "serve/openapi.hpp"
#include "serve/server.hpp"
#include "serve/session_routes.hpp"
#include "wire/frame_codec.hpp"
#include "wire/text.hpp"

#include <boost/json.hpp>

namespace sigrun::http {
namespace {
namespace json = boost::json;

constexpr std::string_view k_sse_type = "text/event-stream";
constexpr std::string_view k_bytes_type = "application/octet-stream";
constexpr std::string_view k_raw_type = "text/plain; charset=utf-8";
constexpr auto k_head_grace = std::chrono::milliseconds(200);
constexpr auto k_keep_alive = std::chrono::seconds(15);

std::optional<json::object> object_of(std::string_view text) {
    boost::system::error_code ec;
    auto value = json::parse(text, ec);
    if (ec || !value.is_object()) return std::nullopt;
    return std::move(value.as_object());
}

std::string text_member(const std::optional<json::object>& o, std::string_view key) {
    const json::value* v = o ? o->if_contains(key) : nullptr;
    return v && v->is_string() ? std::string(v->get_string()) : std::string();
}

std::uint64_t number_member(const std::optional<json::object>& o, std::string_view key) {
    const json::value* v = o ? o->if_contains(key) : nullptr;
    boost::system::error_code ec;
    const auto n = v && v->is_number() ? v->to_number<std::uint64_t>(ec) : 0;
    return ec ? 0 : n;
}

/// The method and params of routes that leave them to the request: POST /v1/call/{method}, POST /v1/sessions.
bool named_by_request(connection& who, std::string& method, std::string& params) {
    const auto& asked = who.asked();
    const auto* text = asked.match.what->replies == answer::call ? asked.where.find("params") : nullptr;
    if (asked.match.what->replies == answer::call) {
        method = asked.match.variables.at(0);
    } else {
        const auto* given = asked.where.find("method");
        method = given ? *given : "runners.register";
    }
    if (text && !text->empty()) {
        if (!object_of(*text)) {
            who.reply_problem({"invalid", "wrong value", "params", "a JSON object", shown(*text)});
            return false;
        }
        params = *text;
    }
    return true;
}

/// As a method takes it; of nothing but what it is when only the head is wanted.
std::string with_range(const std::string& params, const checked_request& asked) {
    const auto& range = asked.range;
    if (!range && !asked.head_only) return params;
    auto o = object_of(params).value_or(json::object());
    if (range) o["offset"] = range->first;
    if (range && range->length) o["length"] = *range->length;
    if (asked.head_only) o["length"] = 0;
    return json::serialize(o);
}

}  // namespace

void answer_request(const std::shared_ptr<connection>& who) {
    const auto& asked = who->asked();
    const route& r = *asked.match.what;
    std::string method(r.method);
    std::string params = asked.params;
    switch (r.replies) {
        case answer::openapi: return who->reply(200, "application/json", openapi_document());
        case answer::index:
            if (asked.html && answer_asset(*who, "index.html")) return;
            return who->reply(200, "application/json", index_document());
        case answer::asset:
            if (answer_asset(*who, asked.match.variables.at(0))) return;
            return who->reply_problem({"not_found", "there is no such part of the dashboard", "name",
                                       "a file that the page names", shown(asked.match.variables.at(0))});
        case answer::poll_frames: return poll_session_frames(who);
        case answer::post_frames: return post_session_frames(who);
        case answer::close_session: return close_session(who);
        case answer::call:
        case answer::open_session:
            if (!named_by_request(*who, method, params)) return;
            break;
        case answer::events:
            if (asked.head_only) return who->reply(200, k_sse_type, {});
            break;
        case answer::logs:
            if (!asked.head_only) break;
            method = "jobs.get";  // whether there is such a job, without its output
            params = sdk::concat("{\"id\":", json_string(asked.match.variables.at(0)), "}");
            break;
        case answer::bytes: params = with_range(params, asked); break;
        case answer::json:
        case answer::text_payload:
        case answer::file: break;
    }
    auto made = std::make_shared<exchange>(who, std::move(method), std::move(params));
    who->wait_for(made);
    made->start();
}

exchange::exchange(const std::shared_ptr<connection>& who, std::string method, std::string params)
    : who_(who.get()),
      route_(*who->asked().match.what),
      method_(std::move(method)),
      params_(sdk::with_request_context(params, who->names().id, who->names().trace_parent)),
      streams_(!who->asked().head_only && (route_.replies == answer::logs || route_.replies == answer::bytes ||
                                           route_.replies == answer::events || route_.replies == answer::call)),
      sse_(route_.replies == answer::events || who->asked().event_stream),
      last_sent_(clock::now()) {}

void exchange::start() {
    const auto keep = shared_from_this();
    auto& host = who_->owner().host();
    inbox_ = std::make_shared<reply_inbox>(host, who_->owner().calls(), who_->where(), [weak = weak_from_this()] {
        if (auto self = weak.lock()) self->drain();
    });
    auto document = who_->take_body();
    sdk::buffer payload;
    if (who_->asked().framed && route_.replies == answer::call) {
        mismatch why;
        auto both = decode_frame(document, why);
        if (!both) return who_->reply_problem(problem_of(why, "body"));
        document = std::move(both->json);
        if (both->has_payload) payload = sdk::buffer(host, both->payload);
    }
    const auto auth = who_->auth();
    const sigrun_call call{sizeof call,   0, sdk::str(method_), sdk::str(params_), sdk::str(document), sdk::str(auth),
                           payload.get(), 0};
    char room[8192];
    sigrun_error error{sizeof error, 0, 0, sizeof room, 0, 0, room};
    const auto result = inbox_->begin(who_->session(), call, &error);
    if (result < 0) {
        over_ = true;
        auto p = read_problem({room, error.msg_len}, result);
        if (error.retry_after_ms && !p.retry_after_s) p.retry_after_s = (error.retry_after_ms + 999) / 1000;
        return who_->reply_problem(p);
    }
    drain();
}

void exchange::drain() {
    const auto keep = shared_from_this();
    if (!who_ || over_) return;
    for (auto& r : inbox_->take()) {
        on_reply(r);
        if (!who_ || over_) break;
    }
    if (!who_) return;
    who_->flush();
    if (who_ && !over_) inbox_->set_backlog(who_->backlog());
}

void exchange::on_reply(const reply& r) {
    last_sent_ = clock::now();
    if (route_.replies == answer::bytes && streams_ && !r.error()) return give_bytes(r);
    if (r.error() && r.last() && !(route_.replies == answer::call && head_given_)) return give_error(r);
    if (streams_) return give_piece(r);
    if (!r.last()) return;
    over_ = true;
    if (route_.replies == answer::open_session) return open_session(r);
    give_single(r);
}

void exchange::give_error(const reply& r) {
    over_ = true;
    auto p = read_problem(r.json, SIGRUN_E_INTERNAL);
    // Nothing is there: RFC 9110 has a status of its own for that.
    if (who_->asked().range && text_member(object_of(r.json), "field") == "offset") p.status = 416;
    if (!head_given_) return who_->reply_problem(p);
    if (!sse_) return who_->abort();
    who_->stream(sse_event("error", {}, one_line(p.body)));
    who_->stream_end();
}

void exchange::give_single(const reply& r) {
    if (route_.replies == answer::logs) return who_->reply(200, sse_ ? k_sse_type : k_raw_type, {});
    if (route_.replies == answer::bytes)
        return who_->reply(200, k_bytes_type, {},
                           sdk::concat("ETag: \"", text_member(object_of(r.json), "sha256"), "\"\r\n"));
    if (route_.replies == answer::text_payload)
        return who_->reply(200, "text/plain; version=0.0.4; charset=utf-8", r.payload.content());
    if (route_.replies == answer::file) return who_->reply(200, "application/octet-stream", r.payload.content());
    int status = route_.success;
    std::string extra;
    if (status == 201) {
        const auto document = object_of(r.json);
        const auto id = text_member(document, "id");
        if (!id.empty()) extra = sdk::concat("Location: ", route_.location, percent_encode(id), "\r\n");
        const json::value* replayed = document ? document->if_contains("idempotency_replayed") : nullptr;
        if (replayed && replayed->is_bool() && replayed->get_bool()) status = 200;
    }
    who_->reply(status, "application/json", r.json.empty() ? std::string_view("{}") : std::string_view(r.json), extra);
}

void exchange::bytes_head(const reply& r) {
    const auto first = object_of(r.json);
    const auto offset = number_member(first, "offset"), until = number_member(first, "until"),
               size = number_member(first, "size");
    auto extra = sdk::concat("ETag: \"", text_member(first, "sha256"), "\"\r\nAccept-Ranges: bytes\r\n");
    const bool ranged = who_->asked().range.has_value();
    if (ranged) extra += content_range(offset, until, size);
    head_given_ = true;
    who_->stream_head(!ranged ? 200 : offset == until ? 416 : 206, k_bytes_type, extra, until - offset);
}

void exchange::give_bytes(const reply& r) {
    if (!head_given_) bytes_head(r);
    who_->stream(r.payload.content());
    if (!r.last()) return;
    over_ = true;
    who_->stream_end();
}

void exchange::open_session(const reply& r) {
    if (!(r.flags & SIGRUN_FRAME_LINK))
        return who_->reply_problem({"invalid", "this method opens no session", "method",
                                    "one that opens a session, such as runners.register", shown(method_)});
    const auto token = adopt(r);
    if (token.empty()) return;
    who_->reply(201, "application/json", r.json,
                sdk::concat("Sigrun-Session: ", token, "\r\nLocation: /v1/sessions/", token, "\r\n"));
}

std::string exchange::adopt(const reply& r) {
    problem why;
    auto token = who_->owner().sessions().open(who_->owner(), who_->where(), who_->session(),
                                               text_member(object_of(r.json), "ticket"), why);
    if (token.empty()) {
        over_ = true;
        if (head_given_) {
            who_->abort();
        } else {
            who_->reply_problem(why);
        }
    }
    if (who_) who_->carry(token);
    return token;
}

void exchange::head() {
    if (head_given_) return;
    head_given_ = true;
    if (route_.replies == answer::call) return who_->stream_head(200, "application/x-ndjson");
    who_->stream_head(200, sse_ ? k_sse_type : k_raw_type);
}

void exchange::give_piece(const reply& r) {
    std::string token;
    if (route_.replies == answer::call && (r.flags & SIGRUN_FRAME_LINK)) {
        token = adopt(r);
        if (token.empty()) return;
    }
    head();
    if (route_.replies == answer::call) {
        wire_frame f;
        f.kind = SIGRUN_REPLY;
        f.flags = r.flags;
        f.json = r.json;
        f.payload = r.payload.content();
        f.has_payload = r.payload.get() != nullptr;
        f.session = token;
        who_->stream(encode_frame(f) + "\n");
    } else if (route_.replies == answer::events) {
        const auto seq = number_member(object_of(r.json), "seq");
        if (seq) id_given_ = true;
        if (!r.json.empty()) who_->stream(sse_event({}, seq ? sdk::concat(seq) : std::string(), one_line(r.json)));
    } else if (!sse_) {
        who_->stream(r.payload.content());
    } else {
        const auto document = object_of(r.json);
        const auto offset = number_member(document, "offset");
        const auto bytes = r.payload.content();
        if (const auto missing = number_member(document, "missing_bytes"))
            who_->stream(log_.missing(offset, missing));
        else if (!bytes.empty())
            who_->stream(log_.add(text_member(document, "stream"), offset, number_member(document, "time_ns"), bytes));
        if (r.last()) who_->stream(log_.end(offset + bytes.size(), one_line(r.json)));
    }
    if (!r.last()) return;
    over_ = true;
    who_->stream_end();
}

void exchange::wrote(std::size_t backlog) {
    if (inbox_ && !over_) inbox_->set_backlog(backlog);
}

void exchange::tick(time_point now) {
    // A silent stream still shows its head soon, so that the peer knows that it is on; an error that comes at
    // once can until then be an honest status.
    if (!streams_ || over_ || !who_ || route_.replies == answer::bytes) return;
    if (!head_given_ && now - last_sent_ > k_head_grace) {
        head();
        who_->flush();
    } else if (head_given_ && who_->owner().retiring() && ends_for_reconnect()) {
        end_for_reconnect();
    } else if (sse_ && now - last_sent_ > k_keep_alive) {
        last_sent_ = now;
        who_->stream(": keep-alive\n\n");
        who_->flush();
    }
}

/// A stream of events that its reader asks for again with Last-Event-ID loses nothing if it ends. One of /v1/events that
/// began "from now on" and has given no id yet would; it goes on until it has, or until the last call.
bool exchange::ends_for_reconnect() const {
    if (!sse_) return false;
    if (route_.replies != answer::events || id_given_ || who_->owner().in_last_call()) return true;
    const auto given = object_of(params_);
    return given && given->contains("after");
}

void exchange::end_for_reconnect() {
    const auto keep = shared_from_this();
    over_ = true;
    // The connection counts until the host has confirmed that the call is over.
    inbox_->end([who = who_->shared_from_this()] { who->where().post([who] {}); });
    who_->stream_end_here();
}

void exchange::gone(std::function<void()> done) {
    who_ = nullptr;
    if (!inbox_) return done();
    inbox_->end(std::move(done));
}

}  // namespace sigrun::http

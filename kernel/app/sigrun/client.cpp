#include "kernel/app/sigrun/client.hpp"

#include "kernel/app/sigrun/failure.hpp"
#include "kernel/net/url_security.hpp"

#include <sigrun/protocol.h>

namespace sigrun::cli {
namespace {

/// Where a callback leaves an outcome for the main thread.
template <class Value>
class answer_box {
public:
    void put(Value value) {
        std::lock_guard lock(mutex_);
        if (!value_) value_ = std::move(value);
    }
    std::optional<Value> take() {
        std::lock_guard lock(mutex_);
        return std::move(value_);
    }

private:
    std::mutex mutex_;
    std::optional<Value> value_;
};

template <class Value>
Value wait_for(waiter& waits, answer_box<Value>& box, time_point deadline, const char* for_what) {
    for (;;) {
        if (auto value = box.take()) return std::move(*value);
        switch (waits.wait_until(deadline)) {
            case waiter::outcome::woken: break;
            case waiter::outcome::interrupted:
                throw failure(make_problem(errc::cancelled, "interrupted"), {}, failure::source::interrupt);
            case waiter::outcome::timed_out:
                throw failure(make_problem(errc::timeout, std::string("no answer in time ") + for_what),
                              "allow more with --timeout, e.g. --timeout 2m");
        }
    }
}

std::string unreachable_hint(const std::string& url) {
    return "is sigrund running at " + url + "? start it with `sigrund`, or name another one with --url or SIGRUN_URL";
}

/// Perhaps the plugin that is missing is there, but was refused.
std::string hint_with_refused(std::string hint, const std::string& refused) {
    if (refused.empty()) return hint;
    return hint + (hint.empty() ? "" : "\n") + "refused plugin files:\n" + refused;
}

}  // namespace

client::client(target where, waiter& waits)
    : where_(std::move(where)),
      waits_(waits),
      plugins_(where_.plugin_dir, {SIGRUN_KIND_PROTOCOL}, where_.config, true) {
    if (!where_.token.empty() && !may_carry_secrets(where_.url))
        throw failure(problem{errc::forbidden, "the token could be read on the way", "--token",
                              "an encrypted --url such as valkyrie+tls://HOST:PORT", where_.url});
    plugins_.load();
    plugins_.start();
    if (plugins_.host().instances(SIGRUN_KIND_PROTOCOL).empty())
        throw failure(
            make_problem(errc::unavailable, "no protocol plugin in " + where_.plugin_dir),
            hint_with_refused("name the plugin folder with --plugin-dir or SIGRUN_PLUGIN_DIR", plugins_.refused()));
    auto protocol = protocol_for_uri(plugins_.host(), where_.url);
    if (!protocol) {
        problem p = protocol.error();
        p.field = "--url";
        throw failure(p, hint_with_refused("", plugins_.refused()));
    }
    lines_ = std::make_shared<lines>(plugins_.host(), *protocol, where_.url,
                                     where_.token.empty() ? std::string() : "bearer " + where_.token,
                                     [&waits] { waits.wake(); });
}

client::~client() {
    if (lines_) lines_->close();
}

void client::connect() {
    auto box = std::make_shared<answer_box<result<void>>>();
    lines_->connect([box, &waits = waits_](result<void> opened) {
        box->put(std::move(opened));
        waits.wake();
    });
    try {
        auto opened = wait_for(waits_, *box, std::chrono::steady_clock::now() + where_.timeout, "while connecting");
        if (opened) return;
        throw failure(make_problem(errc::io, "cannot reach the daemon: " + opened.error().text()),
                      unreachable_hint(where_.url), failure::source::transport);
    } catch (const failure& f) {
        if (f.what_happened().code != errc::timeout) throw;
        throw failure(f.what_happened(), unreachable_hint(where_.url), failure::source::transport);
    }
}

void client::start(std::string_view method, std::string_view params, std::string_view document, reply_fn replies,
                   std::function<void(result<void>)> done) {
    lines_->call(method, params, document, std::move(replies), std::move(done));
}

std::string client::call(std::string_view method, const json::object& params, std::string_view document,
                         nanoseconds wait, std::string* payload) {
    if (!lines_->connected()) connect();
    struct exchange {
        result<std::string> answer = make_problem(errc::internal, "the daemon sent no reply");
        buffer_ref payload;
        answer_box<result<void>> end;
    };
    auto going = std::make_shared<exchange>();
    const std::string params_text = params.empty() ? std::string() : json::serialize(params);
    // Replies come before `done`, which publishes what they wrote.
    start(
        method, params_text, document,
        [going](const reply_view& reply) {
            if (reply.error)
                going->answer = problem::from_json(reply.json);
            else
                going->answer = std::string(reply.json);
            if (reply.payload) going->payload = buffer_ref::share(reply.payload);
            return SIGRUN_OK;
        },
        [going, &waits = waits_](result<void> ended) {
            going->end.put(std::move(ended));
            waits.wake();
        });
    auto ended =
        wait_for(waits_, going->end, std::chrono::steady_clock::now() + where_.timeout + wait, "from the daemon");
    if (!ended)
        throw failure(make_problem(errc::io, "lost the daemon: " + ended.error().text()), unreachable_hint(where_.url),
                      failure::source::transport);
    if (!going->answer) throw failure(going->answer.error());
    if (payload && going->payload) *payload = going->payload.view();
    return std::move(*going->answer);
}

json::object client::call_object(std::string_view method, const json::object& params, std::string_view document,
                                 nanoseconds wait) {
    const std::string text = call(method, params, document, wait);
    auto parsed = parse_object(text);
    if (!parsed)
        throw failure(make_problem(errc::internal, "the daemon's answer to " + std::string(method) +
                                                       " is not a JSON object: " + parsed.error().text()));
    return std::move(*parsed);
}

}  // namespace sigrun::cli

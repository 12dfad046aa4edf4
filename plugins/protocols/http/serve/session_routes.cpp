#include "serve/session_routes.hpp"

#include "serve/connection.hpp"
#include "serve/server.hpp"
#include "serve/session.hpp"
#include "wire/text.hpp"

#include <charconv>
#include <optional>

namespace sigrun::http {
namespace {

constexpr auto k_longest_wait = std::chrono::seconds(25);  // below any proxy's limit and the session timeout

std::shared_ptr<session> session_of(connection& who) {
    auto found = who.owner().sessions().find(who.asked().match.variables.at(0));
    if (found) who.carry(who.asked().match.variables.at(0));
    if (!found)
        who.reply_problem({"not_found", "there is no such session", "token", "the token of an open session",
                           "one that is unknown or over"});
    return found;
}

/// A poll that hangs: forgotten when its connection goes away.
class hanging_poll : public pending {
public:
    explicit hanging_poll(std::shared_ptr<session> of) : of_(std::move(of)) {}
    void set_number(std::uint64_t number) { number_ = number; }
    bool streams() const noexcept override { return true; }
    void gone(std::function<void()> done) override {
        of_->where().dispatch([of = of_, number = number_] { of->drop_poll(number); });
        done();
    }

private:
    std::shared_ptr<session> of_;
    std::uint64_t number_ = 0;
};

/// Runs `give` on the connection's loop if its request still waits for an answer. Posted, not run at once: what the frames
/// of this request have set off, such as the answer to whoever waits for a job, goes first.
template <class Give>
void answer_later(const std::shared_ptr<connection>& who, std::uint64_t turn, Give give) {
    who->where().post([who, turn, give = std::move(give)] {
        if (who->turn() != turn || !who->answering()) return;
        give(*who);
        who->flush();
    });
}

struct poll_terms {
    std::chrono::nanoseconds wait{0};
    std::uint64_t ack = 0;
};

/// What the query says about a poll; nothing when it was answered as wrong.
std::optional<poll_terms> terms_of(connection& who) {
    const auto& where = who.asked().where;
    poll_terms out;
    if (const auto* text = where.find("wait")) {
        const auto parsed = parse_duration(*text);
        if (!parsed) {
            who.reply_problem({"invalid", "wrong value", "wait", "a duration such as 20s", shown(*text)});
            return std::nullopt;
        }
        out.wait =
            std::min<std::chrono::nanoseconds>({*parsed, k_longest_wait, who.owner().options().session_timeout / 2});
    }
    if (const auto* text = where.find("ack")) std::from_chars(text->data(), text->data() + text->size(), out.ack);
    return out;
}

/// Lets a request hang until the session has frames for it; `form` makes the answer's text of their array.
template <class Form>
void hang(session& of, const std::shared_ptr<connection>& who, std::uint64_t turn, const poll_terms& terms,
          const std::shared_ptr<hanging_poll>& hanging, Form form) {
    auto answer = [who, turn, form = std::move(form)](int status, std::string content) {
        answer_later(who, turn,
                     [status, text = status == 200 ? form(std::move(content)) : std::string()](connection& c) {
                         if (status == 200) return c.reply(200, "application/json", text);
                         c.reply(status, "application/problem+json",
                                 to_json({"not_found", "the session is over", "token", "the token of an open session",
                                          "one of a session that is over"}));
                     });
    };
    const auto number = of.poll(terms.ack, terms.wait, std::move(answer));
    who->where().dispatch([hanging, number] { hanging->set_number(number); });
}

void answer_post(connection& c, const session::intake& taken, std::string_view more) {
    if (taken.gap)
        return c.reply_problem(
            {"conflict", "frames are missing", "seq", sdk::concat(taken.ack + 1), sdk::concat(taken.found)});
    c.reply(200, "application/json", sdk::concat("{\"ack\":", taken.ack, ",\"busy\":", taken.busy, more, "}"));
}

}  // namespace

void poll_session_frames(const std::shared_ptr<connection>& who) {
    const auto of = session_of(*who);
    if (!of) return;
    const auto terms = terms_of(*who);
    if (!terms) return;
    auto hanging = std::make_shared<hanging_poll>(of);
    who->wait_for(hanging);
    of->where().dispatch([of, who, turn = who->turn(), terms = *terms, hanging] {
        hang(*of, who, turn, terms, hanging, [](std::string frames) { return frames; });
    });
}

void post_session_frames(const std::shared_ptr<connection>& who) {
    const auto of = session_of(*who);
    if (!of) return;
    mismatch why;
    auto frames = decode_frames(who->take_body(), why);
    if (!frames) return who->reply_problem(problem_of(why, "body"));
    const auto turn = who->turn();
    if (!who->asked().where.find("wait")) {
        of->where().dispatch([of, who, turn, frames = std::move(*frames)] {
            const auto taken = of->take(frames);
            answer_later(who, turn, [taken](connection& c) { answer_post(c, taken, {}); });
        });
        return;
    }
    const auto terms = terms_of(*who);
    if (!terms) return;
    auto hanging = std::make_shared<hanging_poll>(of);
    who->wait_for(hanging);
    of->where().dispatch([of, who, turn, frames = std::move(*frames), terms = *terms, hanging] {
        const auto taken = of->take(frames);
        if (taken.gap || taken.busy)
            return answer_later(who, turn, [taken](connection& c) { answer_post(c, taken, ",\"frames\":[]"); });
        hang(*of, who, turn, terms, hanging, [ack = taken.ack](const std::string& array) {
            return sdk::concat("{\"ack\":", ack, ",\"busy\":false,\"frames\":", array, "}");
        });
    });
}

void close_session(const std::shared_ptr<connection>& who) {
    const auto of = session_of(*who);
    if (!of) return;
    const auto turn = who->turn();
    of->where().dispatch([of, who, turn] {
        of->peer_closed();
        answer_later(who, turn, [](connection& c) { c.reply(204, {}, {}); });
    });
}

}  // namespace sigrun::http

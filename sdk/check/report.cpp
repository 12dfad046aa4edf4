#include "report.hpp"

#include <boost/json.hpp>

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sigrun::check {
namespace {

void copy_text(char* to, std::size_t room, std::string_view text) noexcept {
    const auto n = std::min(text.size(), room - 1);
    std::memcpy(to, text.data(), n);
    to[n] = '\0';
}

}  // namespace

std::string_view to_string(outcome o) noexcept {
    switch (o) {
        case outcome::pass: return "pass";
        case outcome::fail: return "fail";
        case outcome::warn: return "warn";
        case outcome::skip: return "skip";
        case outcome::waived: return "waived";
    }
    return "?";
}

void progress::set_rule(std::string_view id) noexcept { copy_text(rule, sizeof rule, id); }
void progress::set_step(std::string_view what) noexcept { copy_text(step, sizeof step, what); }

void reporter::pass(std::string_view rule_id, std::string note) {
    send({std::string(rule_id), outcome::pass, {}, {}, std::move(note), {}, 0});
}
void reporter::fail(std::string_view rule_id, std::string expected, std::string found) {
    send({std::string(rule_id), outcome::fail, std::move(expected), std::move(found), {}, {}, 0});
}
void reporter::warn(std::string_view rule_id, std::string expected, std::string found) {
    send({std::string(rule_id), outcome::warn, std::move(expected), std::move(found), {}, {}, 0});
}
void reporter::skip(std::string_view rule_id, std::string why) {
    send({std::string(rule_id), outcome::skip, {}, {}, std::move(why), {}, 0});
}

void reporter::pass_unless_told(std::string_view rule_id) {
    {
        std::lock_guard lock(mutex_);
        if (told_.contains(rule_id)) return;
    }
    pass(rule_id);
}

bool reporter::failed(std::string_view rule_id) const {
    std::lock_guard lock(mutex_);
    return failed_.contains(rule_id);
}

void reporter::send(finding what) {
    std::string line = boost::json::serialize(boost::json::object{{"rule", what.rule},
                                                                  {"result", static_cast<int>(what.result)},
                                                                  {"expected", what.expected},
                                                                  {"found", what.found},
                                                                  {"note", what.note}}) +
                       "\n";
    std::lock_guard lock(mutex_);
    told_.insert(what.rule);
    // One failure of a rule tells enough; a broken plugin may repeat it a thousand times.
    if (what.result == outcome::fail && !failed_.insert(what.rule).second) return;
    for (std::string_view rest = line; !rest.empty();) {
        const ssize_t n = ::write(to_, rest.data(), rest.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return;
        rest.remove_prefix(static_cast<std::size_t>(n));
    }
}

}  // namespace sigrun::check
